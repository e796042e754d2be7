"""Label columns to times and events, with errors that name the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from mm_core.api import LabelError

Array = npt.NDArray[Any]


def read_time(column: pd.Series) -> Array:
    """float64 [N] that float32 holds exactly: what becomes a tensor compares as it did before.

    Raises:
        LabelError: missing, no number, negative or infinite.
    """
    values = _numbers(column, "the time, a number of days, months, ...")
    _refuse(
        column, ~(np.isfinite(values) & (values >= 0)), "is no time: it is negative or infinite"
    )
    return np.asarray(values.astype(np.float32), dtype=np.float64)


def read_event(column: pd.Series) -> Array:
    """bool [N]: True where the event happened at the time, False where observation ended.

    Raises:
        LabelError: missing, or neither 0 nor 1.
    """
    values = _numbers(column, "0 or 1")
    _refuse(
        column,
        ~np.isin(values, (0, 1)),
        "is neither 0 (observation ended) nor 1 (event)",
        "name the time first, then the event: label=['time', 'event']",
    )
    return np.asarray(values == 1)


def _numbers(column: pd.Series, wanted: str) -> Array:
    """float64 [N] of a complete column of numbers or booleans."""
    _refuse(
        column,
        column.isna().to_numpy(),
        "is missing",
        "drop these rows; an end of observation is no missing label but a time with event 0",
    )
    column = column.infer_objects()
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise LabelError(
            f"label {column.name!r} is to be {wanted}, and is {column.dtype}",
            column=str(column.name),
            value=column.iloc[0],
            remedy=f"give {wanted}",
        )
    return np.asarray(column, dtype=np.float64)


def _refuse(column: pd.Series, wrong: Array, what: str, remedy: str = "correct these rows") -> None:
    """Raise where any row is ``wrong`` [N]."""
    rows = np.flatnonzero(wrong)
    if len(rows):
        raise LabelError(
            f"label {column.name!r} {what} in {len(rows)} row(s)",
            column=str(column.name),
            rows=rows.tolist(),
            value=column.iloc[rows[0]],
            remedy=remedy,
        )
