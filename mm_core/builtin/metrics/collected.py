"""Metrics that keep what they are given and score it at the end, by scikit-learn's functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from mm_core.api.errors import MetricError

Score = Callable[[np.ndarray, np.ndarray], float]
"""(truth, answer) of all rows -> score; raises MetricError where it is not defined."""


class Collected:
    """A metric over all rows given to ``update`` since the last ``reset``.

    Args:
        name: the metric's name, for errors.
        score: computes it.
    """

    def __init__(self, name: str, score: Score) -> None:
        self.name = name
        self.score = score
        self.reset()

    def update(self, truth: np.ndarray, answer: np.ndarray) -> None:
        """Take in rows: ``truth`` [N], ``answer`` [N] or [N, C]."""
        self.truths.append(np.asarray(truth))
        self.answers.append(np.asarray(answer))

    def compute(self) -> float:
        """The score.

        Raises:
            MetricError: there are no rows, an answer is not finite, or the score is not defined.
        """
        if sum(map(len, self.truths)) == 0:
            raise undefined(self.name, "there are no rows", "give at least one row")
        truth, answer = np.concatenate(self.truths), np.concatenate(self.answers)
        bad = np.flatnonzero(~np.isfinite(answer.reshape(len(answer), -1)).all(axis=1))
        if len(bad):
            raise MetricError(
                f"{self.name}: {len(bad)} answer(s) are not finite",
                rows=bad.tolist(),
                value=self.name,
                remedy="see why the model gives them: predict those rows",
            )
        score = float(self.score(truth, answer))
        if not np.isfinite(score):
            raise undefined(
                self.name, "truth or answers do not vary, or are too large", "use another metric"
            )
        return score

    def reset(self) -> None:
        """Forget all rows."""
        self.truths: list[np.ndarray] = []
        self.answers: list[np.ndarray] = []


def metric(score: Score) -> Callable[[], Collected]:
    """Decorator: a factory of metrics, named after the function."""
    return partial(Collected, score.__name__, score)


def undefined(name: str, why: str, remedy: str) -> MetricError:
    """The metric has no value on these rows."""
    return MetricError(f"{name} is not defined here: {why}", value=name, remedy=remedy)
