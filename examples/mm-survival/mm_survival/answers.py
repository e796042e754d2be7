"""Curves and risks from what ``predict_proba`` gives."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mm_survival.curves import lost


def survival(proba: pd.DataFrame) -> pd.DataFrame:
    """Chance of no event until each time: rows as in ``proba``, times as columns, from 0 on."""
    later = 1 - proba.cumsum(axis=1).iloc[:, :-1]
    later.insert(0, 0.0, 1.0)
    return later.set_axis(later.columns.astype(np.float64), axis=1)


def risk(proba: pd.DataFrame) -> pd.Series:
    """Share of the time until the horizon that each row is expected to lose, 0..1."""
    curve = survival(proba)
    return pd.Series(lost(curve.to_numpy(), curve.columns.to_numpy()), curve.index, name="risk")
