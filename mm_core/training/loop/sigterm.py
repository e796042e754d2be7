"""SIGTERM during a fit: stop, and keep what was learned."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl


def at_sigterm(end: Callable[[], None], trainer: pl.Trainer) -> None:
    """Call ``end`` on SIGTERM, in the place of Lightning's handler, until the trainer is done.

    Lightning's ends a fit at a batch's end, where no state can be written; at the fit's own end
    Lightning puts back the handler that it found. Outside of the main thread there is none.
    """
    if threading.current_thread() is not threading.main_thread():
        return

    def handle(number: int, frame: Any) -> None:
        launcher = trainer.strategy.launcher
        if launcher is not None:
            launcher.kill(number)  # the processes that it started
        end()

    signal.signal(signal.SIGTERM, handle)
