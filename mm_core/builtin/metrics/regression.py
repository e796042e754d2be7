"""Metrics of ``values``: truth and answer float [N]."""

from __future__ import annotations

from functools import partial

import numpy as np

from mm_core.builtin.metrics.collected import Collected, metric, undefined


@metric
def mse(truth: np.ndarray, answer: np.ndarray) -> float:
    from sklearn.metrics import mean_squared_error

    return float(mean_squared_error(truth, answer))


@metric
def rmse(truth: np.ndarray, answer: np.ndarray) -> float:
    from sklearn.metrics import root_mean_squared_error

    return float(root_mean_squared_error(truth, answer))


@metric
def mae(truth: np.ndarray, answer: np.ndarray) -> float:
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(truth, answer))


@metric
def median_absolute_error(truth: np.ndarray, answer: np.ndarray) -> float:
    from sklearn.metrics import median_absolute_error as score

    return float(score(truth, answer))


@metric
def mape(truth: np.ndarray, answer: np.ndarray) -> float:
    from sklearn.metrics import mean_absolute_percentage_error

    zeros = int((truth == 0).sum())
    if zeros:
        raise undefined("mape", f"{zeros} true value(s) are 0", "use mae")
    return float(mean_absolute_percentage_error(truth, answer))


def mean_pinball_loss(level: float = 0.5) -> Collected:
    """Factory of the metric of quantiles: what the loss ``quantile`` is, in units of the label.

    Args:
        level: share of rows that are to lie below the answer, scikit-learn's ``alpha``.
    """
    return Collected("mean_pinball_loss", partial(_pinball, level))


@metric
def r2(truth: np.ndarray, answer: np.ndarray) -> float:
    from sklearn.metrics import r2_score

    _need_variation("r2", truth)
    return float(r2_score(truth, answer))


@metric
def spearmanr(truth: np.ndarray, answer: np.ndarray) -> float:
    """Pearson's correlation of the ranks; equal values share their mean rank."""
    import pandas as pd

    _need_variation("spearmanr", truth, answer)
    return _correlation(pd.Series(truth).rank().to_numpy(), pd.Series(answer).rank().to_numpy())


@metric
def pearsonr(truth: np.ndarray, answer: np.ndarray) -> float:
    _need_variation("pearsonr", truth, answer)
    return _correlation(truth, answer)


def _pinball(level: float, truth: np.ndarray, answer: np.ndarray) -> float:
    from sklearn.metrics import mean_pinball_loss as score

    return float(score(truth, answer, alpha=level))


def _correlation(truth: np.ndarray, answer: np.ndarray) -> float:
    return float(np.corrcoef(truth, answer)[0, 1])


def _need_variation(name: str, truth: np.ndarray, *answers: np.ndarray) -> None:
    """Raise MetricError where there is one row only, or the same value in all."""
    if len(truth) < 2:
        raise undefined(name, "there is only one row", "give at least two rows")
    for what, values in zip(("true", "predicted"), (truth, *answers), strict=False):
        if values.min() == values.max():
            raise undefined(name, f"all {what} values are the same", "use rmse")
