"""What loggers receive between validations."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl


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
        loss = outputs["loss"].item() * trainer.accumulate_grad_batches  # Lightning has divided it
        log(trainer, {"loss": loss, "learning_rate": self._rate})


def log(trainer: pl.Trainer, values: dict[str, float]) -> None:
    """Give values to every logger, at the step as Lightning counts it there: from 0."""
    for logger in trainer.loggers:
        logger.log_metrics(values, step=max(0, trainer.global_step - 1))
