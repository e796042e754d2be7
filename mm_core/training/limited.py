"""A score that is given until a deadline, or until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable

from mm_core.api.fitting import INTERRUPTED
from mm_core.api.tasks import Decoded


class EndedError(Exception):
    """No more scores are given; the text says why."""


class Limited:
    """A score that is given while there is time, to whoever may ask for many.

    Args:
        score: of answers.
        deadline: ``time.monotonic()`` at which the last one is to be there, or None.
    """

    def __init__(self, score: Callable[[Decoded], float], deadline: float | None) -> None:
        self._score = score
        self._deadline = deadline
        self._longest = 0.0
        self._interrupted = False

    def interrupt(self) -> None:
        """Give no more scores."""
        self._interrupted = True

    def __call__(self, decoded: Decoded) -> float:
        """The score.

        Raises:
            EndedError: Ctrl-C was pressed, or this score would come after the deadline.
        """
        started = time.monotonic()
        if self._interrupted:
            raise EndedError(INTERRUPTED)
        if self._deadline is not None and started + self._longest >= self._deadline:
            raise EndedError("time_limit reached")
        try:
            return self._score(decoded)
        finally:
            self._longest = max(self._longest, time.monotonic() - started)
