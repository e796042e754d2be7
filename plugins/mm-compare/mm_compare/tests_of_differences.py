"""Is a difference of scores more than chance? Splits of one table overlap: plain tests say yes too
often."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats


def corrected_t_test(differences: Sequence[float], test_share: float) -> float:
    """Two-sided p of "the mean difference is zero" over random splits of one table.

    Nadeau and Bengio 2003 (doi 10.1023/A:1024068626366): the variance of the mean is
    ``(1 / n + n_test / n_train) s^2`` instead of ``s^2 / n``, for the training sets overlap.

    Args:
        differences: of the scores of two models, one for each split.
        test_share: rows scored on, as a share of all rows.

    Returns:
        p, 1.0 where all differences are zero; NaN where they are alike otherwise, which leaves
        their spread unknown (scores of few rows are coarse), and for fewer than two splits.
    """
    values = np.asarray(differences, dtype=float)
    if len(values) < 2:
        return math.nan
    mean, spread = values.mean(), values.std(ddof=1)
    if spread <= 1e-12 * abs(mean):
        return 1.0 if mean == 0 else math.nan
    error = spread * math.sqrt(1 / len(values) + test_share / (1 - test_share))
    return float(2 * stats.t.sf(abs(mean) / error, df=len(values) - 1))


def holm(values: Sequence[float]) -> list[float]:
    """p-values of several comparisons, adjusted by Holm's step-down method (1979); NaN stays."""
    known = [position for position, value in enumerate(values) if not math.isnan(value)]
    adjusted, highest = [math.nan] * len(values), 0.0
    for rank, position in enumerate(sorted(known, key=lambda one: values[one])):
        highest = max(highest, min(1.0, (len(known) - rank) * values[position]))
        adjusted[position] = highest
    return adjusted
