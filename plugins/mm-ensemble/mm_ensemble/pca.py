"""Principal components. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_NOTHING = 1e-9
"""Share of the variance below which a component is rounding."""


@dataclass(frozen=True)
class PCA:
    """The directions in which vectors vary most.

    Attributes:
        mean: float32 [D].
        components: float32 [K, D], of length 1; the largest entry of each is positive, so that
            the same vectors give the same ones on any machine.
        share: of the variance that they hold, 0..1.
    """

    mean: Array
    components: Array
    share: float

    @classmethod
    def fit(cls, vectors: Array, count: int) -> Self:
        """Of float32 [N, D], rows of NaN left out; fewer than ``count`` where there are fewer."""
        known = vectors[~np.isnan(vectors).any(axis=1)].astype(np.float64)
        width = vectors.shape[1]
        if len(known) < 2:  # nothing varies
            return cls(np.zeros(width, np.float32), np.zeros((0, width), np.float32), 0.0)
        mean = known.mean(axis=0)
        values, directions = np.linalg.eigh(np.cov(known, rowvar=False, ddof=0).reshape(width, -1))
        values, directions = np.maximum(values[::-1], 0), directions[:, ::-1].T
        total = values.sum()
        kept = min(count, len(known) - 1, int((values > _NOTHING * total).sum()))
        directions = directions[:kept]
        largest = np.abs(directions).argmax(axis=1)
        directions = directions * np.sign(directions[np.arange(kept), largest])[:, None]
        share = float(values[:kept].sum() / total) if total else 0.0
        return cls(mean.astype(np.float32), directions.astype(np.float32), share)

    def apply(self, vectors: Array) -> Array:
        """float32 [N, K], NaN where a row is."""
        found: Array = ((vectors - self.mean) @ self.components.T).astype(np.float32)
        return found
