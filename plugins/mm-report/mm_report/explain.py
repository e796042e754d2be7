"""``predictor.explain``: what each part of a row adds to the model's answer about it."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api import ConfigError, Table, tools
from mm_report.ask import Asked, Target, evenly
from mm_report.parts import PICTURES, RowParts, picture_regions, text_words

COLUMNS = ["row", "of", "level", "part", "contribution"]
TEXT = "text"
"""The kind of columns of texts."""


def explain(
    predictor: Any,
    data: Any,
    *,
    of: Hashable | None = None,
    background: Any = None,
    samples: int = 10,
    words: bool = True,
    regions: bool = True,
    on_error: str = "raise",
) -> pd.DataFrame:
    """What the parts of each row add to its answer: how much it falls when one is left out.

    The answer is the probability of a class or label, or the number that is predicted. Parts are
    left out one at a time, so that what they share counts in each or in none: contributions need
    not add up to the answer, and the line ``rest`` says what is lacking.

    Args:
        predictor: with a model of any kind.
        data: rows; see :func:`mm_core.data.rows.read_rows`.
        of: the class or label; None: the likeliest of each row.
        background: rows, such as those of training, whose cells stand in the place of what is left
            out; None: it is missing.
        samples: rows of the background that are tried, at most.
        words: say it of the words of texts as well: one answer of the model a word (of long texts a
            few words together).
        regions: say it of the parts of pictures as well: 16 answers of the model a picture.
        on_error: ``"raise"`` on cells that cannot be read, or take them as ``"missing"``.

    Returns:
        Columns ``row`` (the index of the data), ``of``, ``level``, ``part`` and ``contribution``.
        Levels: ``answer`` (the answer itself), ``base`` (with all left out), ``input`` (all columns
        of an input), ``column``, ``rest`` (answer - base - all columns), ``word`` (part
        ``"<column>: <first character>: <word>"``), ``region`` (part ``"<column>: x0,y0,x1,y1"``, as
        shares of width and height).

    Raises:
        ConfigError: an unknown class, or a task whose answers are no numbers.
    """
    if samples < 1:
        raise ConfigError(f"samples={samples}: one row at least", value=samples)
    asked = Asked(predictor, on_error)
    rows = tools.read_rows(data, asked.registry)
    there = None if background is None else tools.read_rows(background, asked.registry).table
    work = _Explained(asked, rows.table, of, _sampled(there, samples))
    found = [*work.whole(), *work.inputs(), *work.columns()]
    if words or regions:
        found += work.parts(words, regions)
    frame = pd.concat(found, ignore_index=True)
    frame = frame.sort_values("row", kind="stable", ignore_index=True)
    frame["row"] = rows.index.to_numpy()[frame["row"].to_numpy(dtype=int)]
    return frame[COLUMNS]


def _sampled(table: Table | None, samples: int) -> Table | None:
    if table is None:
        return None
    if not len(table):
        raise ConfigError("the background has no rows", remedy="leave it out, or give some")
    return table.take(evenly(len(table), samples))


class _Explained:
    """Answers about rows with parts left out."""

    def __init__(
        self, asked: Asked, table: Table, of: Hashable | None, background: Table | None
    ) -> None:
        self._asked, self._table, self._background = asked, table, background
        recipe = asked.model.recipe
        self._by_input = {
            name: [column for column in part.columns if column in table.frame.columns]
            for name, part in recipe.inputs.items()
        }
        self._used = list(dict.fromkeys(itertools.chain(*self._by_input.values())))
        self._kinds = {plan.name: plan.kind for plan in recipe.columns.columns}
        found = asked(table)
        self._target = Target.of(found, of, recipe.task.id)
        self._answer = self._target.values(found)
        self._left: dict[frozenset[str], np.ndarray] = {}  # answers by what was left out
        self._base = self._without(self._used)

    def whole(self) -> list[pd.DataFrame]:
        """The answers, and what is left of them with all left out."""
        return [self._lines("answer", "", self._answer), self._lines("base", "", self._base)]

    def inputs(self) -> list[pd.DataFrame]:
        """Of each input; of an only one all that there is."""
        return [
            self._lines("input", name, self._answer - self._without(columns))
            for name, columns in self._by_input.items()
            if columns
        ]

    def columns(self) -> list[pd.DataFrame]:
        """Of each column, and what they do not add up to."""
        lines, total = [], np.zeros(len(self._table))
        for column in self._used:
            added = self._answer - self._without([column])
            total += added
            lines.append(self._lines("column", column, added))
        lines.append(self._lines("rest", "", self._answer - self._base - total))
        return lines

    def parts(self, words: bool, regions: bool) -> list[pd.DataFrame]:
        """Of words and parts of pictures, row by row."""
        lines = []
        for column in self._used:
            kind = self._kinds.get(column)
            for row, cell in enumerate(self._table.frame[column]):
                found: RowParts | None = None
                if words and kind == TEXT:
                    found = text_words(column, cell)
                elif regions and kind in PICTURES:
                    found = picture_regions(column, cell, self._table.folder)
                if found is not None:
                    lines.append(self._of_row(row, column, found))
        return lines

    def _of_row(self, row: int, column: str, parts: RowParts) -> pd.DataFrame:
        repeated = np.full(len(parts.names), row)
        frame = self._table.take(repeated).frame.copy()
        frame[column] = pd.Series(parts.cells, dtype=object)
        found = self._asked(Table(frame, self._table.folder))
        values = self._target.take(repeated).values(found)
        return pd.DataFrame(
            {
                "row": row,
                "of": self._target.names[row],
                "level": parts.level,
                "part": parts.names,
                "contribution": self._answer[row] - values,
            }
        )

    def _without(self, columns: Sequence[str]) -> np.ndarray:
        """float64 [N], the answers with these columns left out.

        Asked once: an only input is all columns, and an only column of an input is the input.
        """
        left = frozenset(columns)
        if left not in self._left:
            self._left[left] = self._asked_without(columns)
        return self._left[left]

    def _asked_without(self, columns: Sequence[str]) -> np.ndarray:
        if self._background is None:
            return self._values(dict.fromkeys(columns))
        given = self._background.frame
        there = [name for name in columns if name in given.columns]
        values = [
            self._values({name: given[name].iloc[row] for name in there})
            for row in range(len(given))
        ]
        return np.mean(values, axis=0)

    def _values(self, cells: dict[str, Any]) -> np.ndarray:
        frame = self._table.frame.copy()
        for name, cell in cells.items():
            frame[name] = pd.Series([cell] * len(frame), dtype=object)
        return self._target.values(self._asked(Table(frame, self._table.folder)))

    def _lines(self, level: str, part: str, values: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "row": np.arange(len(values)),
                "of": self._target.names,
                "level": level,
                "part": part,
                "contribution": values,
            }
        )
