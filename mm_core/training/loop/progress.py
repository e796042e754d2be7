"""What a user sees during a fit: a bar on a terminal, a line per validation elsewhere."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mm_core.training.loop.validation import Validation

BAR_FROM_VERBOSITY = 2


class ProgressReport(pl.Callback):
    """A bar with steps, time left, loss and score that leaves nothing behind; or lines that stay.

    Args:
        validation: whose history is shown.
        metric: name of the score in it.
        steps: of the whole fit.
    """

    def __init__(self, validation: Validation, metric: str, steps: int) -> None:
        self._validation = validation
        self._metric = metric
        self._console = Console(stderr=True)
        self._bar = Progress(
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
            expand=True,
        )
        self._task = self._bar.add_task("training", total=steps)
        self._shown = 0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        self._bar.update(self._task, completed=trainer.global_step)
        self._show_new()

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._bar.stop()
        self._show_new()

    def on_exception(
        self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._bar.stop()

    def _show_new(self) -> None:
        for record in self._validation.history[self._shown :]:
            loss, score = f"loss {record['loss']:.4f}", ""
            if self._metric in record:
                score = f"{self._metric} {record[self._metric]:.4f}"
            self._bar.update(self._task, description=f"{loss} {score}")
            if self._bar.disable:
                validated = f"  validation {score}" if score else ""
                line = f"epoch {record['epoch']:g}  {loss}{validated}  {record['seconds']:.0f} s"
                self._console.print(line, highlight=False, soft_wrap=True)
        self._shown = len(self._validation.history)
