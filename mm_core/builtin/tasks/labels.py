"""Reading label columns: what the tasks share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NoReturn

import numpy as np
import pandas as pd

from mm_core.api.errors import LabelError, MetricError, TrainingError

Kind = Literal["bool", "int", "float", "str"]
"""Type of the values of a label, as Python has it."""

NUMBER_KINDS: tuple[Kind, ...] = ("bool", "int", "float")

_KINDS: dict[str, Kind] = {
    "boolean": "bool",
    "integer": "int",
    "floating": "float",
    "mixed-integer-float": "float",
    "string": "str",
}


def label_column(targets: pd.DataFrame, label: Sequence[str]) -> pd.Series[Any]:
    """The one label column, without missing cells.

    Raises:
        LabelError: there are several labels, or the column is absent, empty or incomplete.
    """
    if len(label) != 1:
        raise LabelError(
            f"this task predicts one label, and {len(label)} are given: {', '.join(label)}",
            remedy="name one label column",
        )
    name = label[0]
    if name not in targets.columns:
        raise LabelError(
            f"there is no label column {name!r}",
            column=name,
            remedy=f"columns are: {', '.join(map(str, targets.columns))}",
        )
    column: pd.Series[Any] = targets[name]
    missing = np.flatnonzero(column.isna().to_numpy())
    if len(missing):
        raise LabelError(
            f"label {name!r} is missing in {len(missing)} row(s): {shown(missing)}",
            column=name,
            rows=missing.tolist(),
            remedy=f"drop them: data.dropna(subset=[{name!r}])",
        )
    return column


def class_values(column: pd.Series[Any]) -> tuple[np.ndarray, Kind]:
    """Cells of a label as an array of one kind (text as objects).

    Raises:
        LabelError: the cells are of several kinds, not finite, or cannot be classes.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    found = pd.api.types.infer_dtype(column, skipna=True)
    if found not in _KINDS:
        _refuse_kind(column, found)
    kind = _KINDS[found]
    if kind == "str":
        return column.to_numpy(dtype=object), kind
    values = column.to_numpy(dtype={"bool": np.bool_, "int": np.int64, "float": np.float64}[kind])
    if kind == "float":
        refuse_infinite(values, str(column.name))
    return values, kind


def refuse_infinite(values: np.ndarray, column: str) -> None:
    """Raise LabelError where float [N] ``values`` are not finite."""
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise LabelError(
            f"label {column!r} is not finite in {len(bad)} row(s): {shown(bad)}",
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
        remedy=f"convert it: data[{column.name!r}].astype(str)",
    )
