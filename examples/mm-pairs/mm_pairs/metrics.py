"""Ranks of a query's own response among all. ``answer`` is float [N, 2, D]; there is no truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from mm_core.api import MetricError

Array = npt.NDArray[Any]

CHUNK = 1024
"""Queries compared with all responses at a time: memory grows with rows, not with pairs."""

NEAR = 1e-6
"""Cosines as near as this are equal: the same text is not read the same to the last bit."""


class _Ranked:
    """Waits for all rows: a rank is a rank among all of them, not of a batch."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self._parts: list[Array] = []

    def update(self, truth: Any, answer: Any) -> None:
        """Take in some rows."""
        self._parts.append(np.asarray(answer, dtype=np.float32))

    def ranks(self) -> tuple[Array, Array]:
        """Responses nearer than the own one, and others as near; int [N] each, of whole rows."""
        sides = np.concatenate(self._parts) if self._parts else np.zeros((0, 2, 1), np.float32)
        query, response = sides[:, 0], sides[:, 1]
        candidates = np.flatnonzero(response.any(axis=1))
        rows = candidates[query[candidates].any(axis=1)]
        if len(rows) == 0:
            raise MetricError(
                "there are no rows with both sides to rank", remedy="give rows that have both"
            )
        nearer, as_near = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
        for places in np.array_split(np.arange(len(rows)), -(-len(rows) // CHUNK)):
            here = rows[places]
            cosines = query[here] @ response[candidates].T
            own = cosines[np.arange(len(here)), np.searchsorted(candidates, here), None]
            nearer[places] = (cosines > own + NEAR).sum(axis=1)
            as_near[places] = (np.abs(cosines - own) <= NEAR).sum(axis=1) - 1
        return nearer, as_near


class RecallAt1(_Ranked):
    """Share of queries whose own response is the nearest; of several as near, by chance."""

    def compute(self) -> float:
        """The expectation, where ties are broken by chance."""
        nearer, as_near = self.ranks()
        return float(np.where(nearer == 0, 1 / (1 + as_near), 0.0).mean())


class ReciprocalRank(_Ranked):
    """Mean of one over the place of a query's own response."""

    def compute(self) -> float:
        """The expectation, where ties are broken by chance."""
        nearer, as_near = self.ranks()
        harmonic = np.cumsum(1 / np.arange(1, (nearer + as_near).max() + 2))
        harmonic = np.concatenate([[0.0], harmonic])
        total = harmonic[nearer + as_near + 1] - harmonic[nearer]
        return float((total / (1 + as_near)).mean())
