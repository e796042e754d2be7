"""Validate, remember the best weights, and stop in time."""

from __future__ import annotations

import math
import time
from typing import Any

import lightning.pytorch as pl
import torch

from mm_core.api.contracts import FitResult, FitRun
from mm_core.api.nn import Topology
from mm_core.recipe.recipe import TrainingConfig


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
        self._patience = training.patience
        self._every = max(1, round(batches * training.val_every))
        self._batches = batches
        self._loss = torch.zeros(())
        self._losses = 0
        self._start = time.monotonic()
        self._best: dict[str, torch.Tensor] | None = None
        self._best_score = -math.inf
        self._waited = 0
        self.history: list[dict[str, float]] = []
        self.stopped = "all epochs done"

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        self._loss = self._loss + outputs["loss"].detach()
        self._losses += 1
        if (index + 1) % self._every == 0 or index + 1 == self._batches:
            self._validate(trainer, (trainer.current_epoch + (index + 1) / self._batches))
        if self._run.deadline is not None and time.monotonic() >= self._run.deadline:
            self.stopped = "time_limit reached"
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._losses:  # max_steps or time_limit ended between two validations
            self._validate(trainer, float(trainer.current_epoch))

    def finish(self) -> FitResult:
        """Put the best weights back."""
        if self._best is not None:
            self._topology.load_state_dict(self._best)
        best = None if self._run.score is None else self._sign * self._best_score
        return FitResult(self.history, best, self.stopped)

    @property
    def _sign(self) -> float:
        return 1.0 if self._run.higher_is_better else -1.0

    def _validate(self, trainer: pl.Trainer, epoch: float) -> None:
        record = {
            "epoch": round(epoch, 3),
            "step": float(trainer.global_step),
            "seconds": round(time.monotonic() - self._start, 3),
            "loss": self._loss.item() / self._losses,
        }
        self._loss, self._losses = torch.zeros(()), 0
        self.history.append(record)
        if self._run.score is None:
            return
        record[self._run.metric] = score = self._run.score()
        better = self._sign * score > self._best_score
        if better or self._sign * score == self._best_score:  # of equals, the longer trained
            self._best = {
                k: v.detach().cpu().clone() for k, v in self._topology.state_dict().items()
            }
        if better:
            self._best_score = self._sign * score
            self._waited = 0
            return
        self._waited += 1
        if self._waited >= self._patience:
            self.stopped = f"no better {self._run.metric} in {self._patience} validations"
            trainer.should_stop = True
