"""What loggers receive between validations."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import CSVLogger


class LogSteps(pl.Callback):
    """Loss of the batch and learning rate of the head.

    Written to the loggers directly: ``self.log`` costs each step a good part of a small model's
    step, and most of what it is given is dropped.

    Args:
        every: optimiser steps between two rows.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._rate = 0.0
        self._last = 0

    def state_dict(self) -> dict[str, int]:
        """The step of the last row: a resumed fit goes on counting from there."""
        return {"last": self._last}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self._last = state_dict["last"]

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, index: int
    ) -> None:
        self._rate = trainer.optimizers[0].param_groups[-1]["lr"]

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        if trainer.global_step < self._last + self._every:
            return
        self._last = trainer.global_step
        log(trainer, {"loss": outputs["mean_loss"].item(), "learning_rate": self._rate})


def log(trainer: pl.Trainer, values: dict[str, float]) -> None:
    """Give values to every logger, at the step as Lightning counts it there: from 0."""
    for logger in trainer.loggers:
        logger.log_metrics(values, step=max(0, trainer.global_step - 1))


class FitLog(CSVLogger):
    """The CSV that is saved with the model.

    Args:
        folder: where Lightning keeps it meanwhile.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, name=None, version="")

    def take_up(self, text: str) -> None:
        """Go on with the rows of a fit that was cut off."""
        for row in csv.DictReader(io.StringIO(text)):
            self.experiment.metrics.append({name: value for name, value in row.items() if value})

    @property
    def text(self) -> str:
        """All rows so far."""
        # Where processes were forked for the fit, this one has nothing to write, and Lightning's
        # writer would begin by deleting what theirs wrote.
        if self._experiment is not None:
            self.save()
        file = Path(self.log_dir) / "metrics.csv"
        return file.read_text(encoding="utf-8") if file.is_file() else ""
