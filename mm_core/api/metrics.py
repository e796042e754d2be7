"""Scores: the contract of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np


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


@dataclass(frozen=True)
class Curves:
    """Lines over one pair of axes, for people to look at.

    Attributes:
        title: what they show.
        x: what the axis along says.
        y: what the axis upwards says.
        lines: by name, such as that of a class: values along and upwards, float64 [n] each, in
            the order in which they are joined.
    """

    title: str
    x: str
    y: str
    lines: Mapping[str, tuple[np.ndarray, np.ndarray]]


@runtime_checkable
class CurvedMetric(Metric, Protocol):
    """A score that comes out of a curve: precision along recall, recall along places."""

    def curves(self) -> Sequence[Curves]:
        """Of the rows taken in, called after :meth:`compute`; a page about a model draws them.

        A line that is not defined on these rows is left out, and so are its axes where no line
        is.
        """
