"""Time in intervals, and the curves over it. numpy only.

Shapes: N rows, K intervals, K + 1 edges of which the first is 0 and the last the horizon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Intervals:
    """``(edges[k], edges[k + 1]]`` for each k; the first holds time 0 too.

    Attributes:
        edges: float64 [K + 1], rising from 0.
    """

    edges: Array

    @classmethod
    def of_events(cls, times: Array, count: int) -> Intervals:
        """At most ``count`` intervals with about as many of these event times in each.

        Every edge but 0 is one of the times, so that no interval is without an event.
        """
        shares = np.linspace(0, 1, count + 1)[1:]
        edges = np.unique(np.quantile(times, shares, method="inverted_cdf"))
        return cls(np.concatenate([[0.0], edges[edges > 0]]))

    def __len__(self) -> int:
        return len(self.edges) - 1

    @property
    def horizon(self) -> float:
        """The last event seen in training: later, nothing is known."""
        return float(self.edges[-1])

    def exposure(self, times: Array) -> Array:
        """Time spent in each interval until ``times`` [N], in units of the horizon: [N, K]."""
        spent = np.clip(times[:, None] - self.edges[:-1], 0, np.diff(self.edges))
        return np.asarray(spent / self.horizon)

    def holds(self, times: Array) -> Array:
        """Which interval each of ``times`` [N] is in: bool [N, K], none after the horizon."""
        place = np.searchsorted(self.edges[1:-1], times, side="left")
        inside = times <= self.horizon
        return np.asarray((place[:, None] == np.arange(len(self))) & inside[:, None])


def cumulative(hazards: Array, intervals: Intervals) -> Array:
    """Cumulative hazard [N, K + 1] at the edges, of hazards [N, K] per horizon."""
    steps = hazards * np.diff(intervals.edges) / intervals.horizon
    return np.concatenate([np.zeros((len(steps), 1)), steps.cumsum(axis=1)], axis=1)


def median(hazard: Array, edges: Array) -> tuple[Array, Array]:
    """Where the survival curve passes one half: time [N], and whether it does so [N].

    Inside an interval a constant hazard makes ``hazard`` [N, K + 1], the cumulative one, linear.
    Where it is not reached, the time is the horizon.
    """
    half = np.log(2.0)
    reached = hazard[:, -1] >= half
    place = np.minimum((hazard[:, 1:] < half).sum(axis=1), len(edges) - 2)[:, None]
    low, high = (np.take_along_axis(hazard, place + step, axis=1)[:, 0] for step in (0, 1))
    share = np.clip((half - low) / np.maximum(high - low, np.finfo(float).tiny), 0, 1)
    return edges[place[:, 0]] + share * np.diff(edges)[place[:, 0]], reached


def lost(survival: Array, edges: Array) -> Array:
    """Share of the time until the horizon that a row is expected to lose, 0..1: [N].

    One minus the restricted mean survival time over the horizon; ``survival`` [N, K + 1].
    """
    return np.asarray(1 - np.trapezoid(survival, edges, axis=1) / edges[-1])
