"""Reading label columns: what the tasks share."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal, NoReturn

import numpy as np
import pandas as pd

from mm_core.api.errors import LabelError, MetricError, MMWarning, TrainingError
from mm_core.api.tasks import Task
from mm_core.builtin.detect import MOST_NUMBERED_CLASSES

Kind = Literal["bool", "int", "float", "str"]
"""Type of the values of a label, as Python has it."""

TYPES: dict[Kind, type] = {"bool": bool, "int": int, "float": float, "str": str}

NUMBER_KINDS: tuple[Kind, ...] = ("bool", "int", "float")

_KINDS: dict[str, Kind] = {
    "boolean": "bool",
    "integer": "int",
    "floating": "float",
    "mixed-integer-float": "float",
    "decimal": "float",
    "string": "str",
}

NEARLY_ALL = 0.5
"""Share of distinct texts from which numbers written as text are hardly classes."""

_DURATIONS = ("timedelta64", "timedelta")
_MOMENTS = ("datetime64", "datetime", "date", "period")
_INT64 = np.iinfo(np.int64)


def label_column(task: Task, targets: pd.DataFrame) -> pd.Series[Any]:
    """The one label column, without missing cells.

    Raises:
        LabelError: there are several labels, or the column is absent or incomplete.
    """
    if len(task.label) != 1:
        raise LabelError(
            f"this task predicts one label, and {len(task.label)} are given: "
            f"{', '.join(task.label)}",
            remedy="name one label column",
        )
    column: pd.Series[Any] = task.complete(targets)[task.label[0]]
    return column


def class_values(column: pd.Series[Any]) -> tuple[np.ndarray, Kind]:
    """Cells of a label as an array of one kind (text as objects).

    Raises:
        LabelError: the cells are of several kinds, not finite, whole numbers beyond 64 bits, texts
            that cannot be stored, or cannot be classes.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    found = pd.api.types.infer_dtype(column, skipna=True)
    if found not in _KINDS:
        _refuse_kind(column, found)
    kind = _KINDS[found]
    if kind == "str":
        return _refuse_half_characters(column), kind
    if kind == "int":
        _refuse_beyond_int64(column)
    values = column.to_numpy(dtype={"bool": np.bool_, "int": np.int64, "float": np.float64}[kind])
    if kind == "float":
        refuse_infinite(values, str(column.name))
    return values, kind


def positions_among(values: np.ndarray, names: Sequence[Any]) -> np.ndarray:
    """Position of each value among the names, -1 where it is none of them; int64 [N]."""
    codes, distinct = pd.factorize(values)
    # As Python has it: 1, 1.0 and True are the same, 2**53 + 1 and 2.0**53 are not.
    index = {name: position for position, name in enumerate(names)}
    positions = [index.get(value, -1) for value in distinct.tolist()]
    return np.array(positions, dtype=np.int64)[codes]


def refuse_infinite(values: np.ndarray, column: str) -> None:
    """Raise LabelError where float [N] ``values`` are not finite."""
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise LabelError(
            f"label {column!r} is not finite, or too large for float64, in {len(bad)} row(s): "
            f"{shown(bad)}",
            column=column,
            rows=bad.tolist(),
            value=float(values[bad[0]]),
            remedy="drop or correct them",
        )


def refuse_broken_outputs(outputs: np.ndarray) -> None:
    """Raise TrainingError where a model's outputs [N, D] are not finite."""
    bad = np.flatnonzero(~np.isfinite(outputs).all(axis=1))
    if len(bad):
        raise TrainingError(
            f"the model's outputs are not finite in {len(bad)} row(s): {shown(bad)}",
            rows=bad.tolist(),
            remedy="train with a lower training.learning_rate, or training.precision=32",
        )


def refuse_need(needs: str, task: str) -> NoReturn:
    """Raise MetricError: the metric reads something that the task does not give."""
    raise MetricError(
        f"the metric reads {needs!r}, which the task {task!r} does not give",
        value=needs,
        remedy="see the metrics of the task: mm plugins show core",
    )


def warn_of_odd_texts(label: str, classes: list[str], n_rows: int) -> None:
    """One MMWarning about classes that look like a mistake: blanks, or numbers written as text."""
    notes = []
    odd = [repr(one) for one in classes if one != one.strip() or not one]
    if odd:
        notes.append(f"classes that are empty or begin or end with blanks: {', '.join(odd[:5])}")
    many = len(classes) > max(MOST_NUMBERED_CLASSES, NEARLY_ALL * n_rows)
    if many and _are_numbers(classes):
        notes.append(
            "texts that read as numbers and nearly all differ, taken as classes; to predict the "
            "number: problem_type='regression'"
        )
    if notes:
        warnings.warn(f"label {label!r} holds {'; and '.join(notes)}", MMWarning, stacklevel=3)


def as_number(column: pd.Series[Any]) -> str | None:
    """What to type to make numbers of a label of dates or durations; None: it holds neither."""
    found = pd.api.types.infer_dtype(column, skipna=True)
    if found in _DURATIONS:
        return f"convert it to a number: pd.to_timedelta(data[{column.name!r}]).dt.total_seconds()"
    if found in _MOMENTS:
        return (
            f"convert it to a number, such as pd.to_datetime(data[{column.name!r}].astype(str))"
            ".astype('int64'), or .dt.year in place of .astype('int64')"
        )
    return None


def shown(rows: np.ndarray, most: int = 10) -> str:
    """The first rows, for a message."""
    listed = ", ".join(str(row) for row in rows[:most])
    return f"{listed}, ..." if len(rows) > most else listed


def _refuse_kind(column: pd.Series[Any], found: str) -> NoReturn:
    kinds = column.map(lambda cell: type(cell).__name__)
    odd = np.flatnonzero((kinds != kinds.mode()[0]).to_numpy())
    raise LabelError(
        f"label {column.name!r} holds {' and '.join(sorted(set(kinds)))} ({found}), "
        "which cannot be classes",
        column=str(column.name),
        rows=odd.tolist(),
        value=column.iloc[odd[0]] if len(odd) else column.iloc[0],
        remedy=as_number(column) or f"convert it: data[{column.name!r}].astype(str)",
    )


def _are_numbers(texts: list[str]) -> bool:
    return bool(pd.to_numeric(pd.Series(texts, dtype="str"), errors="coerce").notna().all())


def _refuse_beyond_int64(column: pd.Series[Any]) -> None:
    beyond = np.flatnonzero(((column > _INT64.max) | (column < _INT64.min)).to_numpy(bool))
    if len(beyond):
        raise LabelError(
            f"label {column.name!r} holds whole numbers beyond 64 bits (signed) in {len(beyond)} "
            f"row(s): {shown(beyond)}",
            column=str(column.name),
            rows=beyond.tolist(),
            value=column.iloc[int(beyond[0])],
            remedy=f"if they are classes: data[{column.name!r}].astype(str); if they are amounts: "
            "problem_type='regression'",
        )


def _refuse_half_characters(column: pd.Series[Any]) -> np.ndarray:
    """The texts as objects [N]; LabelError where one is no valid Unicode and cannot be saved."""
    texts = column.to_numpy(dtype=object)
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        bad = np.flatnonzero([any("\ud800" <= sign <= "\udfff" for sign in text) for text in texts])
        raise LabelError(
            f"label {column.name!r} holds half characters (lone surrogates), which no file can "
            f"hold, in {len(bad)} row(s): {shown(bad)}",
            column=str(column.name),
            rows=bad.tolist(),
            value=texts[bad[0]],
            remedy="repair them, for example: text.encode('utf-8', 'replace').decode()",
        ) from None
    return texts
