"""The score of spans."""

from __future__ import annotations

from typing import Any

from mm_core.api import MetricError


class OverallF1:
    """Micro F1 of exact spans, as in CoNLL-2003. Truth and answer: a list of int [S, 3] a row."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self._right = self._true = self._said = 0

    def update(self, truth: Any, answer: Any) -> None:
        """Take in some rows."""
        for wanted, given in zip(truth, answer, strict=True):
            true, said = ({tuple(span) for span in one.tolist()} for one in (wanted, given))
            self._right += len(true & said)
            self._true += len(true)
            self._said += len(said)

    def compute(self) -> float:
        """Twice the spans that are right, by all that are there and all that are said."""
        if self._true + self._said == 0:
            raise MetricError(
                "there is no entity to find, and none was found",
                remedy="score rows with entities",
            )
        return 2 * self._right / (self._true + self._said)
