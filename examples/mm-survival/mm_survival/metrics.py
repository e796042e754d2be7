"""Scores of right-censored answers. The truth is float [N, 2]: time, and 1 where it is an event."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from mm_core.api import MetricError

Array = npt.NDArray[Any]

CHUNK = 1024
"""Rows compared with all others at a time: memory grows with rows, not with pairs."""


class Concordance:
    """Harrell's C; equal risks count one half. ``answer`` is the risk, float [N]."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self._truth: list[Array] = []
        self._risk: list[Array] = []

    def update(self, truth: Any, answer: Any) -> None:
        """Take in some rows; pairs are made of all of them in :meth:`compute`."""
        self._truth.append(np.asarray(truth, dtype=np.float64))
        self._risk.append(np.asarray(answer, dtype=np.float64))

    def compute(self) -> float:
        """Share of comparable pairs in which the row whose event came earlier has more risk."""
        time, event = _columns(self._truth)
        risk = np.concatenate(self._risk)
        agreed = pairs = 0.0
        for rows in np.array_split(np.flatnonzero(event), max(1, int(event.sum()) // CHUNK)):
            here = time[rows, None]
            comparable = (here < time) | ((here == time) & ~event)
            more, same = risk[rows, None] > risk, risk[rows, None] == risk
            agreed += (comparable & more).sum() + 0.5 * (comparable & same).sum()
            pairs += comparable.sum()
        if pairs == 0:
            raise MetricError(
                "no two rows can be compared: none outlived a row that had its event",
                remedy="score more rows, some with an event",
            )
        return float(agreed / pairs)


class IntegratedBrier:
    """Graf's Brier score, as a mean over time. ``answer`` is a frame: a survival curve a row.

    Its columns are times from 0 on. The distribution of the censoring is that of the scored rows;
    the mean ends with the last of the times that any of them has reached.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self._truth: list[Array] = []
        self._curves: list[pd.DataFrame] = []

    def update(self, truth: Any, answer: Any) -> None:
        """Take in some rows; the censoring is estimated from all of them in :meth:`compute`."""
        self._truth.append(np.asarray(truth, dtype=np.float64))
        self._curves.append(answer)

    def compute(self) -> float:
        """Area under the Brier score over time, divided by the time."""
        time, event = _columns(self._truth)
        grid = self._curves[0].columns.to_numpy(dtype=np.float64)
        reached = grid < time.max()
        if reached.sum() < 2:
            raise MetricError(
                "the scored rows end before the first interval of the curve does",
                remedy="score rows that were observed for longer",
            )
        survival = np.concatenate([curve.to_numpy() for curve in self._curves])[:, reached]
        scores = _brier(survival, grid[reached], time, event)
        return float(np.trapezoid(scores, grid[reached]) / grid[reached][-1])


def _brier(survival: Array, grid: Array, time: Array, event: Array) -> Array:
    """Mean squared error of ``survival`` [N, G] at the times ``grid`` [G]: [G].

    A row weighs one over the chance not to have been censored before what is known of it.
    """
    steps, uncensored = _uncensored(time, event)
    before = uncensored[np.searchsorted(steps, time, side="left")]
    now = uncensored[np.searchsorted(steps, grid, side="right")]
    later = time[:, None] > grid
    died = ~later & event[:, None]
    weight = later / np.where(now > 0, now, 1) + died / before[:, None]
    return np.asarray((weight * (later - survival) ** 2).mean(axis=0))


def _uncensored(time: Array, event: Array) -> tuple[Array, Array]:
    """Kaplan-Meier of the censoring: its times [U], and the share not censored yet [U + 1].

    Entry ``i`` of the second holds before time ``i`` of the first. Of events and censorings at
    one time the events come first.
    """
    steps, place = np.unique(time, return_inverse=True)
    censored = np.bincount(place, weights=~event, minlength=len(steps))
    events = np.bincount(place, weights=event, minlength=len(steps))
    leaving = censored + events
    at_risk = leaving[::-1].cumsum()[::-1] - events
    left = np.cumprod(1 - censored / np.maximum(at_risk, 1))
    return steps, np.concatenate([[1.0], left])


def _columns(parts: list[Array]) -> tuple[Array, Array]:
    """Times [N] and events, bool [N], of all rows taken in."""
    if not parts:
        raise MetricError("there are no rows to score", remedy="give rows")
    truth = np.concatenate(parts)
    return truth[:, 0], truth[:, 1] > 0
