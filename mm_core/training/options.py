"""What steers a fit without being part of what is learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class FitOptions:
    """What steers a fit without being part of what is learned.

    Attributes:
        on_error: ``"raise"`` on cells that cannot be read, or treat them as ``"missing"``.
        callbacks: Lightning callbacks.
        loggers: Lightning loggers.
        verbosity: 0 silent .. 3 chatty.
        deadline: ``time.monotonic()`` at which to stop, or None.
        unfinished: folder for the state of the fit until it ends, or None.
        resume: take up the state that stands there.
    """

    on_error: str = "raise"
    callbacks: Sequence[Any] = ()
    loggers: Sequence[Any] = ()
    verbosity: int = 2
    deadline: float | None = None
    unfinished: Path | None = None
    resume: bool = False
