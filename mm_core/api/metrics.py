"""Scores: the contract of metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable


class Metric(Protocol):
    """A score over any number of updates (torchmetrics' shape)."""

    def update(self, truth: Any, answer: Any) -> None:
        """Take in some rows."""

    def compute(self) -> float:
        """The score of all rows taken in."""

    def reset(self) -> None:
        """Forget all rows."""


@runtime_checkable
class DetailedMetric(Metric, Protocol):
    """A score of several numbers, one of which is *the* score: the mean over classes, and each."""

    def details(self) -> Mapping[str, float]:
        """The other numbers of the rows taken in, called after :meth:`compute`.

        ``evaluate`` gives each as ``<metric>.<name>``. What is not defined on these rows, such as
        the score of a class that none of them has, is left out.
        """
