"""What detectors get to see of a column."""

from __future__ import annotations

from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from mm_core.api.columns import ColumnSample

SAMPLE_SIZE = 300


def sample_column(column: pd.Series, name: str, folder: Path) -> ColumnSample:
    """A :class:`ColumnSample` of ``column``: values spread evenly over the cells that are there.

    The same cells are picked in whatever order the rows stand.
    """
    there = column.dropna()
    spread = np.linspace(0, len(there) - 1, min(SAMPLE_SIZE, len(there))).astype(int)
    picked = _order(there)[spread]
    return ColumnSample(
        name=name,
        dtype=_dtype(column),
        values=tuple(there.iloc[picked].tolist()),
        null_share=1 - len(there) / max(len(column), 1),
        n_rows=len(column),
        n_unique=_n_unique(there),
        folder=folder,
        cells=there,
    )


def _order(there: pd.Series) -> np.ndarray:
    """Positions of the cells, int64 [N], in an order that depends on what they hold alone."""
    try:
        hashes = pd.util.hash_pandas_object(there, index=False).to_numpy()
    except (TypeError, ValueError, NotImplementedError):  # lists and the like
        return np.arange(len(there))
    return np.argsort(hashes)  # cells of the same hash are the same


def is_container(value: Any) -> bool:
    """Whether a cell holds several values: a list, a dict, an array."""
    return isinstance(value, (list, tuple, dict, set, np.ndarray))


def _dtype(column: pd.Series) -> str:
    if types.is_bool_dtype(column):
        return "boolean"
    if types.is_numeric_dtype(column) and not types.is_complex_dtype(column):
        return "number"
    if types.is_datetime64_any_dtype(column):
        return "datetime"
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "categorical"
    # is_string_dtype looks into object columns: all strings there counts as string
    there = column.dropna()
    if types.is_string_dtype(there):
        return "string"
    return "number" if column.dtype == object and _are_numbers(there) else "object"


def _are_numbers(there: pd.Series) -> bool:
    """Whether all cells are numbers of any type (decimals, fractions, long integers)."""
    found = set(map(type, there))
    return bool(found) and all(
        issubclass(one, (Real, Decimal)) and not issubclass(one, bool) for one in found
    )


def _n_unique(there: pd.Series) -> int:
    try:
        return int(there.nunique())
    except (TypeError, NotImplementedError):  # unhashable cells; lists and structs of pyarrow
        return int(there.map(_told_apart).nunique())


def _told_apart(cell: Any) -> Any:
    """Equal for equal cells; of a large array numpy writes but the ends."""
    if hasattr(cell, "tobytes") and hasattr(cell, "shape"):
        return cell.shape, hash(cell.tobytes())
    return repr(cell)
