"""Scores: the contract of metrics."""

from __future__ import annotations

from typing import Any, Protocol


class Metric(Protocol):
    """A score over any number of updates (torchmetrics' shape)."""

    def update(self, truth: Any, answer: Any) -> None:
        """Take in some rows."""

    def compute(self) -> float:
        """The score of all rows taken in."""

    def reset(self) -> None:
        """Forget all rows."""
