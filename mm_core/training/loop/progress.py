"""What a user sees during a fit: a bar on a terminal, a live cell in a notebook, else lines."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol

import lightning.pytorch as pl
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from torch import nn

from mm_core.recipe.training import TrainingConfig
from mm_core.telling import logged, tell_user
from mm_core.training.loop.pace import Course, Pace
from mm_core.training.loop.validation import Validation

ABOUT = "progress"

LINE_SECONDS = 5.0
"""Between two lines in the first minutes of a fit."""

LINE_SHARE = 0.02
"""Later on, of the time since it began."""

LINE_SECONDS_AT_MOST = 60.0

LIVE_SECONDS = 0.5
"""Between two looks of a bar or a cell."""

CELL_BAR = 30
"""Characters."""


class _Live(Protocol):
    """What changes on the screen while a fit goes on, and leaves nothing behind."""

    def start(self) -> None: ...

    def show(self, step: int, steps: int, text: str) -> None: ...

    def stop(self) -> None: ...


class ProgressReport(pl.Callback):
    """Where the fit is, every few seconds, and each validation.

    Looked at after batches: within a batch that takes longer, or a validation, nothing is told.

    Args:
        validation: whose history is shown.
        pace: of the fit.
        course: of its steps.
        metric: name of the score in the history.
        training: epochs and schedule as planned.
        sizes: rows of each batch of an epoch.
        held_out: rows of a validation.
        shown: whether the user is to see it; the log gets it in any case.
    """

    def __init__(
        self,
        validation: Validation,
        pace: Pace,
        course: Course,
        metric: str,
        training: TrainingConfig,
        sizes: Sequence[int],
        held_out: int,
        *,
        shown: bool,
    ) -> None:
        self._validation = validation
        self._pace = pace
        self._course = course
        self._metric = metric
        self._epochs = training.epochs
        self._schedule = training.schedule
        self._sizes = sizes
        self._held_out = held_out
        self._shown = shown
        self._live = _live() if shown else None
        self._begun = self._told_at = self._looked_at = time.monotonic()
        self._loss = torch.zeros(())
        self._losses = 0
        self._told = 0
        self._planned = False
        self._score = ""

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        held = f", {self._held_out:,} held out" if self._held_out else ""
        device = trainer.strategy.root_device
        self._tell(
            f"{sum(self._sizes):,} rows to train on{held}; {_size(module)}; on {_named(device)}"
        )
        self._told = len(self._validation.history)  # a resumed fit's own were told
        self._begun = self._told_at = time.monotonic()
        if self._live is not None:
            self._live.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        self._loss = self._loss + outputs["mean_loss"]
        self._losses += 1
        self._tell_validations()
        now = time.monotonic()
        if self._live is not None and now >= self._looked_at + LIVE_SECONDS:
            self._looked_at = now
            self._live.show(trainer.global_step, self._course.end, self._state(trainer, index + 1))
        if not self._planned and self._pace.known and self._validation.laid:
            self._planned = True
            self._tell(self._ending(trainer, index + 1))
        elif now >= self._told_at + self._between(now):
            self._told_at = now
            self._tell(self._line(trainer, index + 1))
            self._loss, self._losses = torch.zeros(()), 0

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._stop()
        self._tell_validations()

    def on_exception(
        self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._stop()

    # ---- texts ---------------------------------------------------------------------------------

    def _line(self, trainer: pl.Trainer, batch: int) -> str:
        epoch = trainer.current_epoch + batch / len(self._sizes)
        step = f"step {trainer.global_step:,}/{self._course.end:,}"
        return f"epoch {epoch:.2f}/{self._epochs}  {step}  {self._state(trainer, batch)}"

    def _state(self, trainer: pl.Trainer, batch: int) -> str:
        loss = f"loss {float(self._loss) / self._losses:.4f}" if self._losses else ""
        rate = f"{self._pace.rows_per_second:,.0f} rows/s" if self._pace.known else ""
        left = (
            f"{_duration(self._validation.left(trainer, batch))} left" if self._pace.known else ""
        )
        return "  ".join(filter(None, [loss, self._score, rate, left]))

    def _ending(self, trainer: pl.Trainer, batch: int) -> str:
        """What of the plan fits into the time limit, and when it will be done."""
        left = self._validation.left(trainer, batch)
        at = time.strftime("%H:%M:%S", time.localtime(time.time() + left))
        done = f"done in about {_duration(left)}, at {at}"
        if self._course.end == self._course.steps:
            return f"time_limit: all {self._epochs} epochs fit by this pace, {done}"
        fit = self._epochs * self._course.end / self._course.steps
        return (
            f"time_limit: about {fit:.2g} of {self._epochs} epochs fit by this pace, {done}; "
            f"training.schedule={self._schedule} is laid into them"
        )

    def _tell_validations(self) -> None:
        for record in self._validation.history[self._told :]:
            loss, self._score = f"loss {record['loss']:.4f}", ""
            if self._metric in record:
                self._score = f"{self._metric} {record[self._metric]:.4f}"
            validated = f"  validation {self._score}" if self._score else ""
            self._tell(f"epoch {record['epoch']:g}  {loss}{validated}  {record['seconds']:.0f} s")
            self._told_at = time.monotonic()
        self._told = len(self._validation.history)

    # ---- ways out ------------------------------------------------------------------------------

    def _tell(self, text: str) -> None:
        tell_user(text, ABOUT, shown=self._shown and self._live is None)

    def _between(self, now: float) -> float:
        """Seconds between two lines."""
        return min(LINE_SECONDS_AT_MOST, max(LINE_SECONDS, LINE_SHARE * (now - self._begun)))

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()


class _Bar:
    """On a terminal."""

    def __init__(self, console: Console) -> None:
        columns = (
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
        )
        self._bar = Progress(*columns, console=console, transient=True, expand=True)
        self._task = self._bar.add_task("")

    def start(self) -> None:
        self._bar.start()

    def show(self, step: int, steps: int, text: str) -> None:
        self._bar.update(self._task, completed=step, total=steps, description=text)

    def stop(self) -> None:
        self._bar.stop()


class _Cell:
    """In a notebook: one line of the output, which is written anew."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self._handle: Any = None

    def start(self) -> None:
        self._handle = self._display(_plain("training"), raw=True, display_id=True)

    def show(self, step: int, steps: int, text: str) -> None:
        full = round(CELL_BAR * min(1.0, step / max(1, steps)))
        bar = "█" * full + "░" * (CELL_BAR - full)
        self._update(f"{bar} {step:,}/{steps:,}  {text}")

    def stop(self) -> None:
        self._update("")

    def _update(self, text: str) -> None:
        if self._handle is not None:
            self._handle.update(_plain(text), raw=True)


def reports(*, shown: bool) -> bool:
    """Whether anybody would see or read a report."""
    return shown or logged(ABOUT)


def _live() -> _Live | None:
    """A cell in notebooks, a bar on terminals; None: neither is there."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if hasattr(shell, "kernel"):
        return _Cell(importlib.import_module("IPython.display").display)
    console = Console(stderr=True)
    return _Bar(console) if console.is_terminal else None


def _plain(text: str) -> dict[str, str]:
    return {"text/plain": text}


def _size(network: nn.Module) -> str:
    """Parameters, and how many of them are trained."""
    counts = [(p.numel(), p.requires_grad) for p in network.parameters()]
    every, trained = (sum(n for n, grad in counts if grad or not only) for only in (False, True))
    return f"{every:,} parameters" + ("" if trained == every else f", {trained:,} of them trained")


def _named(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"{device.type} ({threads} thread{'s' * (threads > 1)})"


def _duration(seconds: float) -> str:
    """``42 s``, ``3:05 min``, ``1:02:40 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"
