"""Which task does a label ask for? Light functions, asked when the problem type is not named."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from numbers import Real
from typing import Any

from mm_core.api.columns import ColumnSample, Detection, LabelSample
from mm_core.api.numerals import CODE, PLAIN, written
from mm_core.builtin.many_classes import hardly_classes

MOST_NUMBERED_CLASSES = 20
"""Whole numbers with more distinct values than this are amounts, not classes."""

ROWS_PER_NUMBERED_CLASS = 5
"""Whole numbers that repeat less often than this on average are amounts, not classes."""


NEARLY_ALL_NUMBERS = 0.95
"""Share of a label's texts from which they are numbers, and the others are mistakes."""

_FILES_SEEN = 20

_NUMBER = re.compile(f"{PLAIN}|{written('.')}|{written(',')}")


def detect_binary(sample: LabelSample) -> Detection | None:
    """Two distinct values of any type but dates, durations, lists and dicts."""
    column = _single(sample)
    if column is None or column.n_unique != 2 or all(map(_is_container, column.values)):
        return None
    shown = " and ".join(sorted({repr(value) for value in column.values})[:2])
    return Detection("binary", 1.0, f"2 distinct values: {shown}")


def detect_multiclass(sample: LabelSample) -> Detection | None:
    """Three or more texts or categories, or whole numbers of few distinct values."""
    column = _single(sample)
    if column is None or column.n_unique < 3 or all(map(_is_container, column.values)):
        return None
    if column.dtype != "number":
        if _nearly_numbers(column):
            return None
        reason = f"{column.n_unique} distinct values of type {column.dtype}"
        if told := _of_files(column):  # is for a task that reads them, where one is installed
            return Detection("multiclass", 0.5, reason, warning=told)
        return Detection("multiclass", 1.0, reason, warning=hardly_classes(column))
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
    if column is not None and (reason := _nearly_numbers(column)):
        return Detection("regression", 0.9, reason)  # the task names the cells that are none
    if column is None or column.dtype != "number" or column.n_unique < 3 or _are_classes(column):
        return None
    what = "whole numbers" if _are_whole(column) else "numbers with fractions"
    return Detection(
        "regression",
        0.9,
        f"{what} with {column.n_unique} distinct values in {_n_known(column)} rows",
    )


def detect_multilabel(sample: LabelSample) -> Detection | None:
    """Several columns of 0 and 1, or one whose cells are lists of texts (or JSON of such lists).

    Lists of numbers, of dicts and of lists may be vectors, boxes or spans: they are left to the
    tasks that know.
    """
    columns = sample.columns
    if len(columns) > 1 and all(_are_indicators(column) for column in columns):
        return Detection("multilabel", 1.0, f"{len(columns)} columns of 0 and 1")
    if len(columns) != 1:
        return None
    lists = [_read(value) for value in columns[0].values]
    if any(lists) and all(map(_are_labels, lists)):
        return Detection("multilabel", 1.0, "every value is a list of labels")
    return None


def _are_indicators(column: ColumnSample) -> bool:
    if column.dtype == "boolean":
        return True
    return column.dtype in ("number", "object", "categorical") and all(
        isinstance(value, Real) and value in (0, 1) for value in column.values
    )


def _is_container(value: Any) -> bool:
    return isinstance(_read(value), list | dict)


def _read(value: Any) -> Any:
    """The value, JSON of a list or dict as these, and what is like a list as a list."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    if type(value).__name__ == "ndarray":  # numpy is not imported for it
        return value.tolist()
    return list(value) if isinstance(value, tuple | set | frozenset) else value


def _are_labels(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _single(sample: LabelSample) -> ColumnSample | None:
    if len(sample.columns) != 1 or _holds_times(sample.columns[0]):
        return None
    return sample.columns[0]


def _holds_times(column: ColumnSample) -> bool:
    if column.dtype == "datetime":
        return True
    return bool(column.values) and all(isinstance(v, date | timedelta) for v in column.values)


def _of_files(column: ColumnSample) -> str:
    """What is told of a label whose cells name files; empty: they do not."""
    looked = [value for value in column.values if isinstance(value, str)][:_FILES_SEEN]
    if not looked or any(column.peek(value, 1) is None for value in looked):
        return ""
    return (
        f"its cells are names of files, such as {looked[0]!r}, and each name is taken as a class; "
        "what stands in the files (masks, pictures) is for the task of a plugin: problem_type=..."
    )


def _nearly_numbers(column: ColumnSample) -> str:
    """Why a label of many texts is one of numbers, a few cells or signs aside; empty: it is not.

    Texts that are all plain numbers may well be codes: they are classes, as they always were.
    """
    if column.dtype != "string" or column.cells is None:
        return ""
    if column.n_unique <= MOST_NUMBERED_CLASSES:
        return ""
    alike = sum(_NUMBER.fullmatch(str(value).strip()) is not None for value in column.values)
    if alike < 0.8 * len(column.values):
        return ""
    texts = column.cells.astype(object).str.strip()  # half characters are none of "str"
    plain = int(texts.str.fullmatch(PLAIN).sum())
    if plain == len(texts) or texts.str.fullmatch(CODE).any():
        return ""
    like = int(texts.str.fullmatch(_NUMBER).sum())
    if max(plain, like) < NEARLY_ALL_NUMBERS * len(texts):
        return ""
    return f"{max(plain, like)} of {len(texts)} texts are numbers, {plain} of them plain ones"


def _are_classes(column: ColumnSample) -> bool:
    return (
        _are_whole(column)
        and column.n_unique <= MOST_NUMBERED_CLASSES
        and column.n_unique * ROWS_PER_NUMBERED_CLASS <= _n_known(column)
    )


def _are_whole(column: ColumnSample) -> bool:
    if getattr(column.cells, "dtype", None) == "float64":
        return bool((column.cells % 1 == 0).all())
    return all(_is_whole(value) for value in column.values)


def _is_whole(value: Any) -> bool:
    try:
        return float(value).is_integer()
    except OverflowError:  # beyond float64 there are no fractions
        return True


def _n_known(column: ColumnSample) -> int:
    return round(column.n_rows * (1 - column.null_share))
