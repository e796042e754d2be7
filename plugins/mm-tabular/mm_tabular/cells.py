"""Cells of one column -> numbers, dates or category keys, whatever dtype the column comes in.

A column may come as another dtype at prediction than at fit (integers as strings, categories as
numbers), so every reader takes any dtype. Missing are None, NaN, NaT, blank strings and numbers
that are not finite; a cell that is there but cannot be read is marked ``bad`` and is missing too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mm_core.api.dates import ISO
from mm_core.api.numerals import UNIT, between, written
from mm_tabular.spelling import BLANK

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
CodeArray = NDArray[np.int64]

_WHOLE = re.compile(r"([+-]?\d+)\.0*")
_TRUE = frozenset({"true", "t", "yes", "y", "1", "on"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "off"})
_LARGEST = 1e150
"""Numbers are bounded so that their squares and sums stay finite."""
_MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True)
class Numbers:
    """A column as numbers.

    Attributes:
        values: float64 [N]; NaN where missing.
        bad: bool [N]; there, but no number (or date).
    """

    values: FloatArray
    bad: BoolArray


@dataclass(frozen=True)
class Keys:
    """A column as category keys.

    Attributes:
        codes: int64 [N], position in ``keys``; -1 where missing.
        keys: the distinct keys, in order of appearance.
        bad: bool [N]; there, but no category (a list, for example).
    """

    codes: CodeArray
    keys: list[str]
    bad: BoolArray


@dataclass(frozen=True)
class Spelling:
    """How the texts of a column are read.

    Attributes:
        decimal: the sign before fractions, of numbers with ornaments; empty: plain numbers.
        marks: texts that stand for a missing cell, beside the usual ones.
    """

    decimal: str = ""
    marks: tuple[str, ...] = ()

    def missing(self, texts: pd.Series) -> pd.Series:
        """bool [N], the texts that stand for a missing cell."""
        if not len(texts):  # of any dtype
            return pd.Series([], dtype=bool)
        words = texts.str.strip()
        return words.str.lower().isin(BLANK) | words.isin(self.marks)


PLAIN = Spelling()


def read_numbers(series: pd.Series, spelling: Spelling = PLAIN) -> Numbers:
    """Numbers, strings that spell numbers, booleans as 0 and 1, durations as seconds."""
    plain = _plain(series)
    if plain.dtype == object:
        values, bad = _numbers_of_objects(plain, spelling)
    elif pd.api.types.is_string_dtype(plain.dtype):
        values, bad = _numbers_of_strings(plain, spelling)
    elif pd.api.types.is_numeric_dtype(plain.dtype) and plain.dtype.kind != "c":
        values = plain.to_numpy(np.float64, na_value=np.nan)
        bad = np.zeros(len(plain), dtype=bool)
    elif plain.dtype.kind == "m":
        values = plain.dt.total_seconds().to_numpy(np.float64, na_value=np.nan)
        bad = np.zeros(len(plain), dtype=bool)
    else:
        values = np.full(len(plain), np.nan)
        bad = plain.notna().to_numpy(bool)
    return Numbers(_bounded(values), bad)


def is_plain(dtype: Any) -> bool:
    """Whether a column of this dtype can be read together with others: :func:`read_matrix`."""
    return isinstance(dtype, np.dtype) and dtype.kind in "fiub"


def read_matrix(frame: pd.DataFrame) -> FloatArray:
    """All columns at once, [N, n], as :func:`read_numbers` reads each; plain dtypes only."""
    return _bounded(frame.to_numpy(np.float64))


def read_dates(series: pd.Series, form: str, spelling: Spelling = PLAIN) -> Numbers:
    """Days since 1970-01-01 UTC. ``form`` is a strptime format, ``ISO8601`` or ``mixed``.

    Strings that do not fit ``form`` are tried as ISO 8601; a time without a zone is taken as UTC.
    """
    plain = _plain(series)
    if not pd.api.types.is_datetime64_any_dtype(plain.dtype):
        return _dates_of_objects(plain.astype(object), form, spelling)
    return Numbers(_days(pd.to_datetime(plain, utc=True)), np.zeros(len(plain), dtype=bool))


def read_keys(series: pd.Series) -> Keys:
    """Category keys: the text of the cell, whole numbers without a decimal point.

    So 1, 1.0, "1" and "1.0" are one category. Texts of half characters (lone surrogates) are bad:
    no file can hold them.
    """
    plain = _plain(series)
    bad = np.zeros(len(plain), dtype=bool)
    if plain.dtype == object:
        # Keys first: factorize would take True for 1, and cannot hash a list.
        cells = plain.tolist()
        bad = np.fromiter((_is_container(cell) for cell in cells), bool, len(cells))
        keyed = [None if no else _key(cell) for cell, no in zip(cells, bad, strict=True)]
        plain = pd.Series(keyed, dtype=object)
    codes, distinct = pd.factorize(plain)
    keys = [_key(value) for value in distinct.tolist()]
    half = [key is not None and not _is_unicode(key) for key in keys]
    if any(half):
        bad |= np.array([*half, False])[codes]
        keys = [None if no else key for key, no in zip(keys, half, strict=True)]
    known = {key: code for code, key in enumerate(dict.fromkeys(k for k in keys if k is not None))}
    merged = np.array([-1 if key is None else known[key] for key in keys] + [-1], dtype=np.int64)
    return Keys(merged[codes], list(known), bad)


def read_truths(series: pd.Series) -> Keys:
    """Keys ``"false"`` (code 0) and ``"true"`` (code 1) of booleans, 0/1, yes/no, t/f, on/off."""
    keys = read_keys(series)
    spoken = [key.lower() for key in keys.keys]
    truths = [1 if key in _TRUE else 0 if key in _FALSE else -1 for key in spoken]
    codes = np.array([*truths, -1], dtype=np.int64)[keys.codes]
    return Keys(codes, ["false", "true"], keys.bad | ((codes < 0) & (keys.codes >= 0)))


def _plain(series: pd.Series) -> pd.Series:
    """The column without its categorical dtype."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.astype(series.cat.categories.dtype if series.notna().all() else object)
    return series


def _bounded(values: FloatArray) -> FloatArray:
    return np.clip(np.where(np.isfinite(values), values, np.nan), -_LARGEST, _LARGEST)


def _numbers_of_strings(strings: pd.Series, spelling: Spelling) -> tuple[FloatArray, BoolArray]:
    values = pd.to_numeric(strings, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if spelling.decimal:
        # A point may part thousands: what reads as a plain number is read anew.
        texts = strings.astype(object)  # half characters are none of "str"
        fits = texts.str.strip().str.fullmatch(written(spelling.decimal))
        ornate = fits.to_numpy(bool, na_value=False)
        ornaments = rf"{UNIT}|[{between(spelling.decimal)}]|\s"
        bare = texts[ornate].str.replace(ornaments, "", regex=True)
        values = values.copy()
        values[ornate] = pd.to_numeric(bare.str.replace(spelling.decimal, "."))
    unread = np.isnan(values) & strings.notna().to_numpy(bool)
    if unread.any():
        unread[unread] = ~spelling.missing(strings[unread]).to_numpy(bool)
    return values, unread


def _numbers_of_objects(cells: pd.Series, spelling: Spelling) -> tuple[FloatArray, BoolArray]:
    values = np.fromiter((_number(cell) for cell in cells), np.float64, len(cells))
    is_string = np.fromiter((isinstance(cell, str) for cell in cells), bool, len(cells))
    bad = np.isnan(values) & cells.notna().to_numpy(bool) & ~is_string
    bad &= ~np.fromiter((isinstance(cell, Real | Decimal) for cell in cells), bool, len(cells))
    if is_string.any():
        values[is_string], bad[is_string] = _numbers_of_strings(cells[is_string], spelling)
    return values, bad


def _number(cell: Any) -> float:
    if isinstance(cell, timedelta):
        return cell.total_seconds()
    if not isinstance(cell, Real | Decimal | np.bool_):
        return np.nan
    try:
        return float(cell)
    except OverflowError:  # an integer beyond float64 is as good as infinite
        return np.nan


def _dates_of_objects(cells: pd.Series, form: str, spelling: Spelling) -> Numbers:
    is_date = np.fromiter(
        (isinstance(cell, str | date | np.datetime64) for cell in cells), bool, len(cells)
    )
    filled = cells.notna().to_numpy(bool)
    readable = cells.where(is_date, None)
    values = _days(pd.to_datetime(readable, format=form, errors="coerce", utc=True))
    unread = np.isnan(values) & filled
    if unread.any():
        rest = readable[unread]
        values[unread] = _days(pd.to_datetime(rest, format=ISO, errors="coerce", utc=True))
        texts = [cell if isinstance(cell, str) else "no text" for cell in rest.tolist()]
        blank = spelling.missing(pd.Series(texts, dtype=object)).to_numpy(bool)
        unread[unread] = np.isnan(values[unread]) & ~blank
    return Numbers(values, unread)


def _days(times: pd.Series) -> FloatArray:
    moments = times.dt.tz_localize(None).to_numpy("datetime64[us]")
    days: FloatArray = moments.astype(np.int64) / _MICROSECONDS_PER_DAY
    days[np.isnat(moments)] = np.nan
    return days


def _is_container(cell: Any) -> bool:
    return isinstance(cell, list | tuple | set | dict | np.ndarray)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _key(cell: Any) -> str | None:
    """The category's name; None where the cell is missing."""
    if isinstance(cell, str):
        whole = _WHOLE.fullmatch(cell)
        return whole[1] if whole else cell if cell.strip() else None
    if pd.isna(cell):
        return None
    if isinstance(cell, float | np.floating):
        if not np.isfinite(cell):
            return None
        return str(int(cell)) if float(cell).is_integer() else str(float(cell))
    return str(cell)
