"""Which task does a label ask for? Light functions, asked when the problem type is not named."""

from __future__ import annotations

import json
from datetime import date, timedelta
from numbers import Real
from typing import Any

from mm_core.api.columns import ColumnSample, Detection, LabelSample

MOST_NUMBERED_CLASSES = 20
"""Whole numbers with more distinct values than this are amounts, not classes."""

ROWS_PER_NUMBERED_CLASS = 5
"""Whole numbers that repeat less often than this on average are amounts, not classes."""


def detect_binary(sample: LabelSample) -> Detection | None:
    """Two distinct values of any type but dates and durations."""
    column = _single(sample)
    if column is None or column.n_unique != 2 or all(map(_is_list, column.values)):
        return None
    shown = " and ".join(sorted({repr(value) for value in column.values})[:2])
    return Detection("binary", 1.0, f"2 distinct values: {shown}")


def detect_multiclass(sample: LabelSample) -> Detection | None:
    """Three or more texts or categories, or whole numbers of few distinct values."""
    column = _single(sample)
    if column is None or column.n_unique < 3 or all(map(_is_list, column.values)):
        return None
    if column.dtype != "number":
        return Detection(
            "multiclass", 1.0, f"{column.n_unique} distinct values of type {column.dtype}"
        )
    if _are_classes(column):
        return Detection(
            "multiclass",
            0.9,
            f"whole numbers with {column.n_unique} distinct values in {_n_known(column)} rows",
        )
    return None


def detect_regression(sample: LabelSample) -> Detection | None:
    """Numbers with fractions, or whole numbers of many distinct values; dates as a last resort."""
    if len(sample.columns) == 1 and _holds_times(sample.columns[0]):
        # The task says what to do; a plugin's task that reads times scores higher.
        return Detection("regression", 0.1, "dates or durations, to be converted to numbers")
    column = _single(sample)
    if column is None or column.dtype != "number" or column.n_unique < 3 or _are_classes(column):
        return None
    what = "whole numbers" if _are_whole(column) else "numbers with fractions"
    return Detection(
        "regression",
        0.9,
        f"{what} with {column.n_unique} distinct values in {_n_known(column)} rows",
    )


def detect_multilabel(sample: LabelSample) -> Detection | None:
    """Several columns of 0 and 1, or one whose cells are lists (of values, or JSON lists)."""
    columns = sample.columns
    if len(columns) > 1 and all(_are_indicators(column) for column in columns):
        return Detection("multilabel", 1.0, f"{len(columns)} columns of 0 and 1")
    if len(columns) == 1 and columns[0].values and all(map(_is_list, columns[0].values)):
        return Detection("multilabel", 1.0, "every value is a list")
    return None


def _are_indicators(column: ColumnSample) -> bool:
    if column.dtype == "boolean":
        return True
    return column.dtype in ("number", "object", "categorical") and all(
        isinstance(value, Real) and value in (0, 1) for value in column.values
    )


def _is_list(value: Any) -> bool:
    if isinstance(value, str):
        return value.lstrip().startswith("[") and _is_json(value)
    return type(value).__name__ == "ndarray" or isinstance(value, list | tuple | set | frozenset)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _single(sample: LabelSample) -> ColumnSample | None:
    if len(sample.columns) != 1 or _holds_times(sample.columns[0]):
        return None
    return sample.columns[0]


def _holds_times(column: ColumnSample) -> bool:
    if column.dtype == "datetime":
        return True
    return bool(column.values) and all(isinstance(v, date | timedelta) for v in column.values)


def _are_classes(column: ColumnSample) -> bool:
    return (
        _are_whole(column)
        and column.n_unique <= MOST_NUMBERED_CLASSES
        and column.n_unique * ROWS_PER_NUMBERED_CLASS <= _n_known(column)
    )


def _are_whole(column: ColumnSample) -> bool:
    return all(_is_whole(value) for value in column.values)


def _is_whole(value: Any) -> bool:
    try:
        return float(value).is_integer()
    except OverflowError:  # beyond float64 there are no fractions
        return True


def _n_known(column: ColumnSample) -> int:
    return round(column.n_rows * (1 - column.null_share))
