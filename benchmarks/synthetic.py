"""Tables of any size, made by numpy: real ones do not come in 100,000 rows or 500 columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

CATEGORIES = 12
MISSING = 0.05


def table(
    n_rows: int, numbers: Sequence[str], categories: Sequence[str], seed: int = 0
) -> pd.DataFrame:
    """These columns and the label ``y``, ``"no"`` or ``"yes"``.

    A category has 12 values; a twentieth of all cells are missing. The label depends on the first
    ten numbers, on the first category, and on chance.

    Args:
        n_rows: rows.
        numbers: names of columns, normally distributed.
        categories: names of columns, at least one.
        seed: of all of it; the same seed gives the same table.
    """
    chance = np.random.default_rng(seed)
    values = chance.standard_normal((n_rows, len(numbers)))
    codes = chance.integers(CATEGORIES, size=(n_rows, len(categories)))
    signal = np.sin(values[:, :10]).sum(axis=1) + codes[:, 0] % 3
    answer = signal + chance.standard_normal(n_rows) > np.median(signal)
    values[chance.random(values.shape) < MISSING] = np.nan
    kinds = np.array([f"kind {code}" for code in range(CATEGORIES)], dtype=object)
    named = np.where(chance.random(codes.shape) < MISSING, None, kinds[codes])
    frames = [pd.DataFrame(values, columns=numbers), pd.DataFrame(named, columns=categories)]
    return pd.concat(frames, axis=1).assign(y=np.where(answer, "yes", "no"))
