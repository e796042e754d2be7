"""Validate, remember the best weights, and stop in time."""

from __future__ import annotations

import math
import time
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from mm_core.api.contracts import FitResult, FitRun
from mm_core.api.errors import TrainingError
from mm_core.api.nn import Topology
from mm_core.recipe.recipe import TrainingConfig
from mm_core.training.logs import log

GPU_LOOKS_EVERY = 16
"""Batches between two looks at the loss on a GPU, where each look waits for the device."""


class KeepBest(pl.Callback):
    """Scores the model ``val_every`` epochs apart; at the end the best weights stand in the model.

    Validation runs through the product's own inference, so that the score that chooses the epoch is
    the score that a user sees.
    """

    def __init__(
        self, topology: Topology, run: FitRun, training: TrainingConfig, batches: int
    ) -> None:
        self._topology = topology
        self._run = run
        self._training = training
        self._batches = batches
        self._validate_after = validation_points(training.val_every, batches)
        self._loss = torch.zeros(())
        self._losses = 0
        self._seen = 0
        self._start = time.monotonic()
        self._changing = [
            name
            for name, value in topology.state_dict(keep_vars=True).items()
            if value.requires_grad or not isinstance(value, nn.Parameter)
        ]
        self._best: dict[str, Tensor] = {}
        self._best_score = -math.inf
        self._waited = 0
        self.history: list[dict[str, float]] = []
        self.stopped = ""
        self._interrupted = False

    def interrupt(self) -> None:
        """Stop after the batch that is being trained on."""
        self._interrupted = True

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        # Lightning has divided the loss for the sum over accumulated batches
        self._loss = self._loss + outputs["loss"].detach() * self._training.accumulate
        self._losses += 1
        self._seen += 1
        if not self._loss.is_cuda or self._seen % GPU_LOOKS_EVERY == 0:
            self._finite_loss(trainer)
        if index + 1 in self._validate_after:
            self._validate(trainer)
        if self._interrupted:
            self._stop(trainer, "interrupted")
        elif self._run.deadline is not None and time.monotonic() >= self._run.deadline:
            self._stop(trainer, "time_limit reached")

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._losses:  # stopped between two validations
            self._validate(trainer)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self.stopped:
            return
        if self._seen == self._training.epochs * self._batches:
            self.stopped = "all epochs done"
        elif trainer.global_step == self._training.max_steps:
            self.stopped = "max_steps reached"
        else:
            self.stopped = "stopped by a callback"

    def finish(self) -> FitResult:
        """Put the best weights back."""
        state = self._topology.state_dict()
        for name, value in self._best.items():
            state[name].copy_(value)
        best = None if self._run.score is None else self._sign * self._best_score
        return FitResult(self.history, best, self.stopped)

    @property
    def _sign(self) -> float:
        return 1.0 if self._run.higher_is_better else -1.0

    def _finite_loss(self, trainer: pl.Trainer) -> float:
        """Sum of the losses since the last validation."""
        loss: float = self._loss.item()
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} at step {trainer.global_step}",
                value=loss,
                remedy="lower training.learning_rate and training.head_learning_rate, or set "
                "training.precision=32",
            )
        return loss

    def _validate(self, trainer: pl.Trainer) -> None:
        record = {
            "epoch": round(self._seen / self._batches, 3),
            "step": float(trainer.global_step),
            "seconds": round(time.monotonic() - self._start, 3),
            "loss": self._finite_loss(trainer) / self._losses,
        }
        self._loss, self._losses = torch.zeros(()), 0
        self.history.append(record)
        if self._run.score is not None:
            record[self._run.metric] = self._run.score()
            self._compare(trainer, self._sign * record[self._run.metric])
        self._publish(trainer, record)

    def _compare(self, trainer: pl.Trainer, score: float) -> None:
        if score >= self._best_score:  # of equals, the longer trained
            self._remember()
        if score > self._best_score:
            self._best_score = score
            self._waited = 0
            return
        self._waited += 1
        if self._waited >= self._training.patience:
            reason = f"no better {self._run.metric} in {self._training.patience} validations"
            self._stop(trainer, reason)

    def _stop(self, trainer: pl.Trainer, reason: str) -> None:
        self.stopped = reason
        trainer.should_stop = True

    def _remember(self) -> None:
        state = self._topology.state_dict()
        if not self._best:
            self._best = {
                name: torch.empty_like(state[name], device="cpu") for name in self._changing
            }
        for name, value in self._best.items():
            value.copy_(state[name])

    def _publish(self, trainer: pl.Trainer, record: dict[str, float]) -> None:
        """Show a validation to callbacks that monitor a metric, and to loggers."""
        score = {name: value for name, value in record.items() if name == self._run.metric}
        log(trainer, score | {"epoch": record["epoch"]})
        for name, value in (score | {"loss": record["loss"]}).items():
            trainer.callback_metrics[name] = torch.tensor(value)


def validation_points(every: float, batches: int) -> frozenset[int]:
    """Batches (counted from 1) after which an epoch is validated: evenly apart, the last included.

    Args:
        every: share of an epoch between two validations.
        batches: of an epoch.
    """
    times = min(batches, max(1, round(1 / every)))
    return frozenset(round(batches * (i + 1) / times) for i in range(times))
