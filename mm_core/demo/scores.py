"""Scores that are means over rows, with standard errors over groups of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Estimate:
    """A mean and its standard error."""

    value: float
    se: float

    def to_json(self) -> dict[str, Any]:
        """``{"value": ..., "se": ...}``"""
        return asdict(self)


@dataclass(frozen=True)
class Measure:
    """A score that is the mean of one number per row.

    Attributes:
        name: as the framework knows it.
        by_row: ``(truth, answer) -> float [N]``, both in the same order.
        sign: 1 where more is better, -1 where less is.
        constant: training labels -> the best answer that is the same for every row.
        constant_name: what that answer is.
    """

    name: str
    by_row: Callable[[pd.Series, pd.Series], np.ndarray]
    sign: int
    constant: Callable[[pd.Series], Any]
    constant_name: str


def _right(truth: pd.Series, answer: pd.Series) -> np.ndarray:
    return np.asarray(truth.to_numpy() == answer.to_numpy(), dtype=float)


def _error(truth: pd.Series, answer: pd.Series) -> np.ndarray:
    return np.asarray(np.abs(truth.to_numpy(float) - answer.to_numpy(float)))


ACCURACY = Measure(
    "accuracy", _right, 1, lambda labels: labels.mode().iloc[0], "most frequent answer"
)
MAE = Measure("mae", _error, -1, lambda labels: labels.median(), "median of the training rows")


def grouped_mean(values: np.ndarray, groups: pd.Series) -> Estimate:
    """Mean of ``values`` [N]; its standard error treats each group as one draw (cluster-robust).

    Of the difference of two models' rows it is the paired standard error.
    """
    mean = values.mean()
    sums = pd.Series(values - mean).groupby(groups.to_numpy()).sum().to_numpy()
    count = len(sums)
    variance = count / max(count - 1, 1) * (sums**2).sum() / len(values) ** 2
    return Estimate(float(mean), float(np.sqrt(variance)))
