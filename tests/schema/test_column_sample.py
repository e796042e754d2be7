"""What detectors are told of columns of any dtype."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mm_core.schema.sample import is_container, sample_column


def arrow(values: list[Any], dtype: pa.DataType) -> pd.Series:
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.array(values, dtype)))


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (pd.Series([Decimal("1.5"), None, Decimal("2")], dtype=object), "number"),
        (pd.Series([Fraction(1, 3), 2, 0.5], dtype=object), "number"),
        (pd.Series([2**64, 1]), "number"),
        (pd.Series([True, 2], dtype=object), "object"),
        (pd.Series([Decimal(1), "x"], dtype=object), "object"),
        (pd.Series([None, None], dtype=object), "string"),
        (pd.Series([1 + 2j, 3]), "object"),
        (pd.to_timedelta(pd.Series([1, 2]), unit="s"), "object"),
        (arrow([Decimal("1.5"), None], pa.decimal128(5, 2)), "number"),
    ],
    ids=str,
)
def test_dtype(column: pd.Series, dtype: str) -> None:
    assert sample_column(column, "c", Path()).dtype == dtype


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([[1, 2], None, [1, 2], [3]], pa.list_(pa.int64())),
        ([{"a": 1}, None, {"a": 1}, {"a": 2}], pa.struct([("a", pa.int64())])),
        ([[("k", 1)], None, [("k", 1)], []], pa.map_(pa.string(), pa.int64())),
    ],
    ids=str,
)
def test_lists_and_structs_of_arrow_are_containers(values: list[Any], dtype: pa.DataType) -> None:
    sample = sample_column(arrow(values, dtype), "c", Path())
    assert sample.n_unique == 2
    assert sample.null_share == 0.25
    assert all(is_container(value) for value in sample.values)


def test_large_arrays_are_told_apart_in_their_middle() -> None:
    """Written out, numpy leaves the middle of both out."""
    one, other = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8)
    other[32, 32] = 1
    column = pd.Series([one, other, one.copy()], dtype=object)
    assert sample_column(column, "c", Path()).n_unique == 2
