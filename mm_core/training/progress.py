"""What a user sees during a fit: a bar on a terminal, a line per validation elsewhere."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mm_core.training.best import KeepBest

BAR_FROM_VERBOSITY = 2


class ProgressReport(pl.Callback):
    """A bar with loss, score and time left; lines instead where there is no terminal."""

    def __init__(self, best: KeepBest, metric: str, steps: int) -> None:
        self._best = best
        self._metric = metric
        self._steps = steps
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._shown = 0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._bar.start()
        self._task = self._bar.add_task("training", total=self._steps)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        self._bar.update(self._task, completed=trainer.global_step, description=self._text())
        self._print_new()

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._bar.stop()
        self._print_new()

    def on_exception(
        self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._bar.stop()

    def _print_new(self) -> None:
        for record in self._best.history[self._shown :]:
            self._console.print(self._line(record), highlight=False)
        self._shown = len(self._best.history)

    def _text(self) -> str:
        return self._line(self._best.history[-1]) if self._best.history else "training"

    def _line(self, record: dict[str, float]) -> str:
        score = (
            f"  validation {self._metric} {record[self._metric]:.4f}"
            if self._metric in record
            else ""
        )
        done = f"epoch {record['epoch']:g}  loss {record['loss']:.4f}"
        return f"{done}{score}  {record['seconds']:.0f} s"
