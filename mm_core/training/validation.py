"""Validate, and stop in time."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from mm_core.api.errors import TrainingError
from mm_core.api.fitting import FitResult, FitRun
from mm_core.api.nn import Topology
from mm_core.recipe.training import TrainingConfig
from mm_core.training.logs import log
from mm_core.training.sharding import whole
from mm_core.training.weights import Keeper, keeper

GPU_LOOKS_EVERY = 16
"""Batches between two looks at the loss on a GPU, where each look waits for the device."""

_LATE = "time_limit reached"


class Validation(pl.Callback):
    """Scores the model ``val_every`` epochs apart; at the end the kept weights stand in the model.

    Validation runs through the product's own inference, so that the score that chooses the weights
    is the score that a user sees. Of several processes each validates all rows, and the first one's
    score counts: ranks and curves are those of the whole validation set.
    """

    def __init__(self, topology: Topology, run: FitRun, batches: int) -> None:
        self._topology = topology
        self._run = run
        self._training: TrainingConfig = run.training
        self._batches = batches
        self._validate_after = validation_points(self._training.val_every, batches)
        self._keeper: Keeper
        self._restored: dict[str, Any] | None = None
        self._loss = torch.zeros(())
        self._losses = 0
        self._seen = 0
        self._stepped = 0
        self._start = time.monotonic()
        self._validation_seconds = 0.0
        self._best_score = -math.inf
        self._waited = 0
        self._interrupted = False
        self.history: list[dict[str, float]] = []
        self.stopped = ""

    def interrupt(self) -> None:
        """Stop after the batch that is being trained on."""
        self._interrupted = True

    # ---- Lightning's hooks ---------------------------------------------------------------------

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        # Only now the network is on its device.
        self._keeper = keeper(self._topology, self._training, self._run.folder)
        if self._restored is not None:
            self._keeper.restore(self._restored)
            self._restored = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        # Lightning has divided the loss for the sum over accumulated batches
        self._loss = self._loss + outputs["loss"].detach() * trainer.accumulate_grad_batches
        self._losses += 1
        self._seen += 1
        if trainer.global_step > self._stepped:
            self._stepped = trainer.global_step
            self._keeper.after_step()
        if not self._loss.is_cuda or self._seen % GPU_LOOKS_EVERY == 0:
            self._finite_loss(trainer)
        if index + 1 in self._validate_after:
            self._validate(trainer)
        self._stop_in_time(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._losses:  # stopped between two validations
            self._validate(trainer)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if not self.stopped:
            if self._seen == self._training.epochs * self._batches:
                self.stopped = "all epochs done"
            elif trainer.global_step == self._training.max_steps:
                self.stopped = "max_steps reached"
            else:
                self.stopped = "stopped by a callback"
        compares = self._run.score is not None and self.stopped != _LATE
        best = self._keeper.finish((lambda: self._score(trainer)) if compares else None)
        self._best_score = self._best_score if best is None else best
        if trainer.is_global_zero:
            self._result_file.write_text(json.dumps(self._outcome()))

    def state_dict(self) -> dict[str, Any]:
        """What a resumed fit needs of this one."""
        return {
            "keeper": self._keeper.state(),
            "loss": self._loss,
            "losses": self._losses,
            "seen": self._seen,
            "stepped": self._stepped,
            "seconds": time.monotonic() - self._start,
            "best_score": self._best_score,
            "waited": self._waited,
            "history": self.history,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._restored = state_dict["keeper"]
        self._loss = state_dict["loss"]
        self._losses = state_dict["losses"]
        self._seen = state_dict["seen"]
        self._stepped = state_dict["stepped"]
        self._start = time.monotonic() - state_dict["seconds"]
        self._best_score = state_dict["best_score"]
        self._waited = state_dict["waited"]
        self.history = state_dict["history"]

    def result(self) -> FitResult:
        """What came of it, in this process or in the ones forked for the fit."""
        outcome = self._outcome() if self.stopped else json.loads(self._result_file.read_text())
        return FitResult(**outcome)

    # ---- inside --------------------------------------------------------------------------------

    @property
    def _result_file(self) -> Path:
        return self._run.folder / "result.json"

    def _outcome(self) -> dict[str, Any]:
        best = None if self._run.score is None else self._sign * self._best_score
        return {"history": self.history, "best_score": best, "stopped": self.stopped}

    @property
    def _sign(self) -> float:
        return 1.0 if self._run.higher_is_better else -1.0

    def _finite_loss(self, trainer: pl.Trainer) -> float:
        """Sum of the losses since the last validation, of this process."""
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
        started = time.monotonic()
        record = {
            "epoch": round(self._seen / self._batches, 3),
            "step": float(trainer.global_step),
            "seconds": round(started - self._start, 3),
            "loss": self._mean_loss(trainer),
        }
        self._loss, self._losses = torch.zeros(()), 0
        self.history.append(record)
        if self._run.score is not None:
            with self._keeper.candidate():
                score = self._score(trainer)
            record[self._run.metric] = self._sign * score
            self._compare(trainer, score)
        self._validation_seconds = time.monotonic() - started
        self._publish(trainer, record)

    def _mean_loss(self, trainer: pl.Trainer) -> float:
        """Of the batches since the last validation, over all processes."""
        mean = torch.tensor(self._finite_loss(trainer) / self._losses)
        if trainer.world_size > 1:
            mean = trainer.strategy.reduce(mean.to(self._loss.device), reduce_op="mean")
        return float(mean)

    def _score(self, trainer: pl.Trainer) -> float:
        """Validation score of the network as it stands, greater is better; in all processes."""
        assert self._run.score is not None
        with whole(self._topology):
            score = self._sign * self._run.score()
        if trainer.world_size > 1:
            score = trainer.strategy.broadcast(score)
        return score

    def _compare(self, trainer: pl.Trainer, score: float) -> None:
        self._keeper.consider(score)
        if score > self._best_score:
            self._best_score = score
            self._waited = 0
            return
        self._waited += 1
        if self._waited >= self._training.patience:
            reason = f"no better {self._run.metric} in {self._training.patience} validations"
            self._stop(trainer, reason)

    def _stop_in_time(self, trainer: pl.Trainer) -> None:
        """Stop on Ctrl-C, and where the next validation would end after the deadline."""
        late = (
            self._run.deadline is not None
            and time.monotonic() + self._validation_seconds >= self._run.deadline
        )
        interrupted = self._interrupted
        if trainer.world_size > 1:  # all processes stop at the same batch
            interrupted = trainer.strategy.reduce_boolean_decision(interrupted, all=False)
            late = trainer.strategy.reduce_boolean_decision(late, all=False)
        if interrupted:
            self._stop(trainer, "interrupted")
        elif late:
            self._stop(trainer, _LATE)

    def _stop(self, trainer: pl.Trainer, reason: str) -> None:
        self.stopped = reason
        trainer.should_stop = True

    def _publish(self, trainer: pl.Trainer, record: dict[str, float]) -> None:
        """Show a validation to callbacks that monitor a metric, and to loggers."""
        score = {name: value for name, value in record.items() if name == self._run.metric}
        log(trainer, score | {"epoch": record["epoch"]})
        shown: dict[str, float | Tensor] = {**score, "loss": record["loss"]}
        for name, value in shown.items():
            trainer.callback_metrics[name] = torch.as_tensor(value)


def validation_points(every: float, batches: int) -> frozenset[int]:
    """Batches (counted from 1) after which an epoch is validated: evenly apart, the last included.

    Args:
        every: share of an epoch between two validations.
        batches: of an epoch.
    """
    times = min(batches, max(1, round(1 / every)))
    return frozenset(round(batches * (i + 1) / times) for i in range(times))
