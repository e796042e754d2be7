"""What a fit stands on, and what steers it without being part of what is learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mm_core.api.tasks import Task
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.model import Model
from mm_core.plugins.registry import Registry
from mm_core.scoring import Metrics


@dataclass(frozen=True)
class FitContext:
    """Where a fit takes place.

    Attributes:
        registry: installed components.
        finder: where checkpoints come from.
        metrics: to score the validation rows.
        model: a trained model to go on with; None: the checkpoints. It stays as it is.
        task: that has learned the labels already; None: it learns them.
        on_error: ``"raise"`` on cells that cannot be read, or treat them as ``"missing"``.
        callbacks: Lightning callbacks.
        loggers: Lightning loggers.
        verbosity: 0 silent .. 3 chatty.
        deadline: ``time.monotonic()`` at which to stop, or None.
        unfinished: folder for the state of the fit until it ends, or None.
        resume: take up the state that stands there.
    """

    registry: Registry
    finder: CheckpointFinder
    metrics: Metrics
    model: Model | None = None
    task: Task | None = None
    on_error: str = "raise"
    callbacks: Sequence[Any] = ()
    loggers: Sequence[Any] = ()
    verbosity: int = 2
    deadline: float | None = None
    unfinished: Path | None = None
    resume: bool = False
