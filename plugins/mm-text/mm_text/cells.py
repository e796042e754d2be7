"""Cells of a text column -> strings."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd

from mm_core.api import BadCell

_PLAIN = (Real, Decimal, date, time, np.generic)  # bool is a Real, datetime a date


@dataclass
class Texts:
    """The texts of one column.

    Attributes:
        texts: K strings, neither empty nor with spaces around them.
        rows: int [K], their positions in the frame, rising; all other cells are missing.
        bad: cells that hold something that is no text.
        before: int [K], white space in the cell before its text; None: not asked.
    """

    texts: list[str]
    rows: np.ndarray
    bad: list[BadCell] = field(default_factory=list)
    before: np.ndarray | None = None


def read_texts(column: pd.Series, max_chars: int, places: bool = False) -> Texts:
    """Strings of a column; numbers, booleans and dates become what ``str`` makes of them.

    Missing are null cells, empty strings and strings of white space, and numbers that are not
    finite. Half characters (lone surrogates) become ``?``.

    Args:
        column: [N], of any dtype.
        max_chars: of a cell no more than this is looked at, white space in front included.
        places: whether it is to be said where in its cell each text begins.
    """
    bad: list[BadCell] = []
    if not isinstance(column.dtype, pd.StringDtype):
        column, bad = _from_objects(column.astype(object))
    cells = _as_strings(column).str.slice(0, max_chars)
    texts = cells.str.strip().fillna("").to_numpy(dtype=object)
    rows = np.flatnonzero(texts != "")
    before = _before(cells, rows) if places else None
    return Texts(texts[rows].tolist(), rows, bad, before)


def _before(cells: pd.Series, rows: np.ndarray) -> np.ndarray:
    """int [K], characters of white space that these cells begin with."""
    there = cells.iloc[rows]
    found: np.ndarray = (there.str.len() - there.str.lstrip().str.len()).to_numpy(np.int64)
    return found


def _from_objects(column: pd.Series) -> tuple[pd.Series, list[BadCell]]:
    """Strings and nulls of a column of any objects; one pass per type that occurs."""
    name = str(column.name)
    cells = column.to_numpy(dtype=object, copy=True)
    cells[column.isna().to_numpy()] = None
    codes, kinds = pd.factorize(np.fromiter(map(type, cells), dtype=object, count=len(cells)))
    bad: list[BadCell] = []
    for code, kind in enumerate(kinds):
        if issubclass(kind, str | type(None)):
            continue
        here = np.flatnonzero(codes == code)
        if issubclass(kind, _PLAIN):
            cells[here] = [_plain(value) for value in cells[here]]
        else:
            bad += [_bad_cell(int(row), name, cells[row]) for row in here]
            cells[here] = None
    return pd.Series(cells, dtype=object), bad


def _plain(value: object) -> str | None:
    if isinstance(value, float | np.floating):
        if not np.isfinite(value):
            return None
        # A missing cell turns a column of whole numbers into floats; 3.0 must read like 3.
        return str(int(value)) if float(value).is_integer() else str(value)
    return str(value)


def _bad_cell(row: int, column: str, value: object) -> BadCell:
    reason = f"a {type(value).__name__} is no text"
    return BadCell(row, column, reprlib.repr(value), reason)


def _as_strings(column: pd.Series) -> pd.Series:
    try:
        return column.astype("str")
    except UnicodeEncodeError:
        mended = column.map(lambda s: s.encode("utf-8", "replace").decode(), na_action="ignore")
        return mended.astype("str")
