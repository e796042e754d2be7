"""Scores of entities, as CoNLL-2003 counts them: right is what has both ends and the group right.

Truth and answer: of each row a list of (first character, the one after the last, group).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from mm_core.api import MetricError


class EntityScore:
    """Counts of entities by group; of all rows nothing else is kept."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self._right: Counter[str] = Counter()
        self._true: Counter[str] = Counter()
        self._said: Counter[str] = Counter()

    def update(self, truth: Any, answer: Any) -> None:
        """Take in some rows."""
        for wanted, given in zip(truth, answer, strict=True):
            true, said = set(wanted), set(given)
            for counter, found in (
                (self._right, true & said),
                (self._true, true),
                (self._said, said),
            ):
                counter.update(group for _, _, group in found)

    def compute(self) -> float:
        """All groups together, 0..1.

        Raises:
            MetricError: there is nothing to divide by.
        """
        score = self._score(self._right.total(), self._true.total(), self._said.total())
        if score is None:
            raise MetricError(
                "there is no entity to find, and none was found",
                remedy="score rows with entities",
            )
        return score

    def details(self) -> dict[str, float]:
        """``class.<group>``, each group by itself; those without a score are left out."""
        scores = {
            f"class.{group}": self._score(self._right[group], self._true[group], self._said[group])
            for group in sorted(self._true | self._said)
        }
        return {name: score for name, score in scores.items() if score is not None}

    def _score(self, right: int, true: int, said: int) -> float | None:
        """None: it is not defined."""
        raise NotImplementedError


class OverallF1(EntityScore):
    """Twice the entities that are right, by all that are there and all that are said."""

    def _score(self, right: int, true: int, said: int) -> float | None:
        return 2 * right / (true + said) if true + said else None


class OverallPrecision(EntityScore):
    """Of the entities that are said, the share that is right; 0 where none is said."""

    def _score(self, right: int, true: int, said: int) -> float | None:
        return right / max(said, 1) if true + said else None


class OverallRecall(EntityScore):
    """Of the entities that are there, the share that is found; 0 where there is none to find."""

    def _score(self, right: int, true: int, said: int) -> float | None:
        return right / max(true, 1) if true + said else None
