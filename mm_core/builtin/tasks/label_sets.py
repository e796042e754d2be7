"""Labels written as one column whose cells hold any number of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal, NoReturn

import numpy as np
import pandas as pd

from mm_core.api.errors import LabelError
from mm_core.builtin.tasks.labels import TYPES, class_values, positions_among, shown

Writing = Literal["list", "json", "joined"]
"""A list, tuple, set or array; a text with a JSON list; a text with a separator."""


class LabelSets:
    """The labels are those that occur in some cell, sorted. An empty cell ([]) has none of them.

    Args:
        column: the label column.
        separator: of texts such as ``"red;round"``; None: cells are lists, or texts of JSON lists.

    Attributes:
        names: the labels.
    """

    def __init__(self, column: str, separator: str | None) -> None:
        self.column = column
        self.separator = separator
        self.names: tuple[Any, ...] = ()
        self.writing: Writing = "list"

    def column_of(self, position: int) -> str:
        """The column that holds the label at this position."""
        return self.column

    def filled(self, targets: pd.DataFrame) -> pd.DataFrame:
        """With a cell of no labels where one is missing."""
        column = targets.get(self.column)
        if column is None:
            return targets
        none = "" if self.separator is not None else "[]"
        cells = [none if gone else cell for cell, gone in zip(column, column.isna(), strict=True)]
        return targets.assign(**{self.column: pd.Series(cells, targets.index, dtype=object)})

    def learn(self, targets: pd.DataFrame) -> None:
        """Collect the labels.

        Raises:
            LabelError: a cell is no list, labels are of several types, or there are none.
        """
        cells = targets[self.column]
        self.writing = self._writing(cells)
        values, _ = self._flat(cells)
        self.names = tuple(sorted(pd.unique(values).tolist()))
        if not self.names:
            raise LabelError(
                f"no cell of {self.column!r} holds a label",
                column=self.column,
                remedy="give rows with labels",
            )

    def extend(self, targets: pd.DataFrame) -> None:
        """Labels that further rows bring stand after the others."""
        values, _ = self._flat(targets[self.column])
        new = sorted(set(pd.unique(values).tolist()) - set(self.names))
        if {type(one) for one in (*self.names, *new)} == {type(self.names[0])}:
            self.names = (*self.names, *new)  # else encode tells which are unknown

    def encode(self, targets: pd.DataFrame) -> np.ndarray:
        """int8 [N, L].

        Raises:
            LabelError: a cell is no list, or holds a label that was not seen in training.
        """
        cells = targets[self.column]
        values, rows = self._flat(cells)
        found = positions_among(values, self.names)
        if (found < 0).any():
            self._refuse_unseen(values[found < 0], rows[found < 0])
        indicators = np.zeros((len(cells), len(self.names)), dtype=np.int8)
        indicators[rows, found] = 1
        return indicators

    def decode(self, labels: np.ndarray) -> pd.DataFrame:
        """Cells as they were written, labels in the order of ``names``, from int8 [N, L]."""
        write = self._writer()
        cells = [write([self.names[one] for one in np.flatnonzero(row)]) for row in labels]
        column = pd.Series(cells, dtype=object if self.writing == "list" else "str")
        return pd.DataFrame({self.column: column})

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` needs."""
        return {"names": list(self.names), "writing": self.writing}

    def restore(self, state: dict[str, Any]) -> None:
        """As it was after :meth:`learn`.

        Raises:
            ValueError: it is no such state.
        """
        names = state["names"]
        values, kind = class_values(pd.Series(names, dtype=object))
        if len(set(values.tolist())) < len(names) or {type(o) for o in names} != {TYPES[kind]}:
            raise ValueError(f"labels = {names!r} are not distinct and of one type")
        self.names, self.writing = tuple(names), state["writing"]

    # ---- reading -------------------------------------------------------------------------------

    def _writing(self, cells: pd.Series[Any]) -> Writing:
        if self.separator is not None:
            return "joined"
        return "json" if all(isinstance(cell, str) for cell in cells) else "list"

    def _writer(self) -> Callable[[list[Any]], Any]:
        if self.writing == "json":
            return lambda names: json.dumps(names, ensure_ascii=False)
        if self.writing == "joined":
            separator = self.separator or ""
            return lambda names: separator.join(map(str, names))
        return lambda names: names

    def _flat(self, cells: pd.Series[Any]) -> tuple[np.ndarray, np.ndarray]:
        """All labels of all cells [M], and the row of each, int64 [M]."""
        lists = [self._read(cell, row) for row, cell in enumerate(cells.tolist())]
        rows = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
        flat = pd.Series([name for one in lists for name in one], dtype=object, name=self.column)
        if flat.empty:
            return np.array([], dtype=object), rows
        missing = rows[flat.isna().to_numpy()]
        if len(missing):
            self._refuse(missing, cells, "holds a missing label", "take it out of the list")
        try:
            values, _ = class_values(flat)
        except LabelError as error:
            raise LabelError(
                error.message,
                column=self.column,
                rows=sorted({int(rows[one]) for one in error.rows}),
                value=error.value,
                remedy="labels in lists are texts, or numbers, of one type",
            ) from None
        return values, rows

    def _read(self, cell: Any, row: int) -> list[Any]:
        if isinstance(cell, str):
            found = self._split(cell)
        else:
            found = list(cell) if isinstance(cell, list | tuple | set | frozenset) else None
            found = cell.tolist() if isinstance(cell, np.ndarray) and cell.ndim == 1 else found
        if found is None or any(isinstance(one, list | tuple | dict | set) for one in found):
            self._refuse(np.array([row]), {row: cell}, "is no list of labels", self._hint())
        return found

    def _split(self, text: str) -> list[Any] | None:
        if self.separator is not None:
            parts = [part.strip() for part in text.split(self.separator)]
            return [part for part in parts if part]
        try:
            found = json.loads(text)
        except ValueError:
            return None
        return found if isinstance(found, list) else None

    def _hint(self) -> str:
        if self.separator is not None:
            return f"give texts with {self.separator!r} between labels (task.separator), or lists"
        return (
            "give lists, or texts of JSON lists; of texts with a separator say it: "
            "task.separator=';'; of one class a row: problem_type='multiclass'"
        )

    def _refuse(self, rows: np.ndarray, cells: Any, what: str, remedy: str) -> NoReturn:
        raise LabelError(
            f"label {self.column!r} {what} in row(s) {shown(rows)}",
            column=self.column,
            rows=rows.tolist(),
            value=cells[int(rows[0])],
            remedy=remedy,
        )

    def _refuse_unseen(self, values: np.ndarray, rows: np.ndarray) -> NoReturn:
        known = ", ".join(repr(one) for one in self.names[:20])
        raise LabelError(
            f"label {self.column!r} holds {values.tolist()[0]!r} in row(s) "
            f"{shown(np.unique(rows))}, which is none of the labels of training",
            column=self.column,
            rows=np.unique(rows).tolist(),
            value=values.tolist()[0],
            remedy=f"the labels are {known}; take it out, or drop those rows",
        )
