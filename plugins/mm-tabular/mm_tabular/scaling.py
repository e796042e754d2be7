"""Ways to bring the numbers of a table to a common scale. numpy only.

Each scaler is fitted on ``[N, n]`` float64 with NaN for missing cells, and transforms such a matrix
column by column; NaN stays NaN. A column without any value in training maps to 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mm_tabular.cells import FloatArray

_LIMIT = 3.0
"""Robust: values far beyond the quartiles are bent towards this bound."""


class Scaler(ABC):
    """A fitted scaling; its arrays, one entry a column, are all it needs."""

    ndim: ClassVar[int] = 1
    """Of each array."""

    names: ClassVar[tuple[str, str]] = ("center", "width")
    """Of the arrays."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.arrays = dict(arrays)

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], n_columns: int) -> Self:
        """The scaling again; ValueError where the arrays are not ones that ``fit`` gives."""
        if set(arrays) != set(cls.names):
            raise ValueError(f"arrays are {sorted(arrays)}, not {sorted(cls.names)}")
        for name, array in arrays.items():
            if array.dtype != np.float64 or array.ndim != cls.ndim or len(array) != n_columns:
                raise ValueError(
                    f"{name!r} is {array.dtype} {array.shape}, for {n_columns} columns"
                )
        first, second = (arrays[name] for name in cls.names)
        if first.shape != second.shape or not (np.isfinite(first) & np.isfinite(second)).all():
            raise ValueError(f"{cls.names} differ in shape or are not finite")
        if not cls.is_sound(first, second):
            raise ValueError(f"{cls.names} do not make a scaling")
        return cls(arrays)

    @staticmethod
    def is_sound(first: FloatArray, second: FloatArray) -> bool:
        """Whether the two arrays, finite and of the same shape, can be computed with."""
        return bool((second > 0).all())

    @classmethod
    @abstractmethod
    def fit(cls, matrix: FloatArray, n_quantiles: int) -> Self:
        """Learn from ``[N, n]`` training rows."""

    @abstractmethod
    def transform(self, matrix: FloatArray) -> FloatArray:
        """Scaled ``[N, n]``."""


class QuantileScaler(Scaler):
    """Rank of a value among the training values, as a quantile of the normal distribution.

    Equal values share the middle of their ranks, so that no value becomes infinite and a column of
    zeros and ones stays near 0. Between training values it interpolates; beyond them it is flat.
    """

    ndim = 2
    names = ("values", "scores")

    @staticmethod
    def is_sound(first: FloatArray, second: FloatArray) -> bool:
        """Whether there are knots, and they rise."""
        rising = (np.diff(first) >= 0).all() and (np.diff(second) >= 0).all()
        return first.shape[1] > 0 and bool(rising)

    @classmethod
    def fit(cls, matrix: FloatArray, n_quantiles: int) -> Self:
        curves = [_curve(column[~np.isnan(column)], n_quantiles) for column in matrix.T]
        return cls(
            {
                "values": _stack([values for values, _ in curves]),
                "scores": _stack([scores for _, scores in curves]),
            }
        )

    def transform(self, matrix: FloatArray) -> FloatArray:
        scaled = np.empty_like(matrix)
        curves = zip(self.arrays["values"], self.arrays["scores"], strict=True)
        for index, (values, scores) in enumerate(curves):
            scaled[:, index] = np.interp(matrix[:, index], values, scores)
        return scaled


class RobustScaler(Scaler):
    """Median and interquartile range, outliers bent smoothly (RealMLP, arXiv 2407.04491)."""

    @classmethod
    def fit(cls, matrix: FloatArray, n_quantiles: int) -> Self:
        columns = [column[~np.isnan(column)] for column in matrix.T]
        marks = [np.quantile(c if len(c) else [0.0], (0, 0.25, 0.5, 0.75, 1)) for c in columns]
        return cls(
            {
                "center": np.array([m[2] for m in marks]),
                "width": np.array([_positive(m[3] - m[1], (m[4] - m[0]) / 2) for m in marks]),
            }
        )

    def transform(self, matrix: FloatArray) -> FloatArray:
        scaled = (matrix - self.arrays["center"]) / self.arrays["width"]
        # x / sqrt(1 + (x/3)^2), written so that huge values do not overflow.
        bent: FloatArray = scaled / np.hypot(1.0, scaled / _LIMIT)
        return bent


class StandardScaler(Scaler):
    """Mean and standard deviation; clipped at ten deviations."""

    @classmethod
    def fit(cls, matrix: FloatArray, n_quantiles: int) -> Self:
        columns = [column[~np.isnan(column)] for column in matrix.T]
        return cls(
            {
                "center": np.array([c.mean() if len(c) else 0.0 for c in columns]),
                "width": np.array([_positive(c.std() if len(c) else 0.0) for c in columns]),
            }
        )

    def transform(self, matrix: FloatArray) -> FloatArray:
        scaled: FloatArray = (matrix - self.arrays["center"]) / self.arrays["width"]
        return np.clip(scaled, -10.0, 10.0)


SCALERS: dict[str, type[Scaler]] = {
    "quantile": QuantileScaler,
    "robust": RobustScaler,
    "standard": StandardScaler,
}
"""``TableConfig.scaling`` -> its class."""


def _curve(values: FloatArray, n_knots: int) -> tuple[FloatArray, FloatArray]:
    """Knots of the map from value to normal score."""
    if not len(values):
        return np.zeros(1), np.zeros(1)
    distinct, counts = np.unique(values, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / len(values)
    if len(distinct) > n_knots:
        even = np.linspace(ranks[0], ranks[-1], n_knots)
        keep = np.unique(np.searchsorted(ranks, even))
        distinct, ranks = distinct[keep], ranks[keep]
    normal = NormalDist()
    return distinct, np.array([normal.inv_cdf(rank) for rank in ranks.tolist()])


def _stack(rows: list[FloatArray]) -> FloatArray:
    """One row for each column; short ones repeat their last entry."""
    longest = max((len(row) for row in rows), default=1)
    padded = [np.pad(row, (0, longest - len(row)), "edge") for row in rows]
    return np.stack(padded) if padded else np.zeros((0, 1))


def _positive(*candidates: float) -> float:
    """The first candidate that can be divided by; 1 when the column does not vary."""
    return next((float(c) for c in candidates if np.isfinite(c) and c > 1e-12), 1.0)
