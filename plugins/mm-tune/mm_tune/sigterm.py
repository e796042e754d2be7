"""SIGTERM, as batch systems send it, ends a search as Ctrl-C does: in words, with what it found."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ENDED = 128 + signal.SIGTERM
"""Exit status of a process that was told to end, as shells tell it."""


@contextmanager
def sigterm_ends() -> Iterator[None]:
    """Meanwhile it is a Ctrl-C, which no library swallows; the process ends as one that was told
    to. Outside of the main thread it does what it did.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def end(number: int, frame: Any) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt as error:
        if came:
            raise SystemExit(ENDED) from error
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
