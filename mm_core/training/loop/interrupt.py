"""Ctrl-C during a fit: stop, and keep what was learned."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C inside calls ``stop``, a second one raises KeyboardInterrupt as ever.

    Signals reach the main thread only, and their handler belongs to the user's process: outside of
    the main thread nothing is done, nor where the process ignores Ctrl-C, as shells make those in
    the background. The handler found is put back at the end.
    """
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored or threading.current_thread() is not threading.main_thread():
        yield
        return

    def first(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, found)
        stop()

    found = signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, found)
