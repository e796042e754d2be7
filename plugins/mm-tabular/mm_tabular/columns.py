"""Fitted columns: what each kind of column learns in training, and the arrays that it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self, TypeVar

import numpy as np
import pandas as pd

from mm_core.api import ConfigError, Unlike
from mm_core.api.dates import ISO, forms_of
from mm_tabular.cells import (
    PLAIN,
    BoolArray,
    CodeArray,
    FloatArray,
    Keys,
    Numbers,
    Spelling,
    read_dates,
    read_keys,
    read_numbers,
    read_truths,
)
from mm_tabular.configs import TableConfig
from mm_tabular.unlike import expected_share, strange_categories

Item = TypeVar("Item")

MISSING, UNSEEN, FIRST = 0, 1, 2
"""Codes of a missing cell, of an unseen category, and of the first known category."""

MIXED = "mixed"
"""No single date format: each cell is parsed by itself."""

_YEAR, _WEEK = 365.2425, 7.0
_CYCLES = ("season", "month", "week", "day")


@dataclass(frozen=True)
class Measured:
    """A column as numerical features: ``values`` float64 [N, k], NaN where missing; ``bad`` [N]."""

    values: FloatArray
    bad: BoolArray


@dataclass(frozen=True)
class Coded:
    """A column as category codes: ``codes`` int64 [N]; ``bad`` [N]; cells unlike training's."""

    codes: CodeArray
    bad: BoolArray
    unlike: Unlike | None = None


@dataclass(frozen=True)
class NumberColumn:
    """A number; how it is spelled is told, not learned (scaling is learned for all at once)."""

    name: str
    spelling: Spelling = PLAIN
    complaint = "not a number"

    @classmethod
    def fit(cls, name: str, series: pd.Series, config: TableConfig) -> Self:
        """See :class:`NumberColumn`."""
        return cls(name, _spelling(name, config))

    @property
    def features(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.name,)

    def encode(self, series: pd.Series) -> Measured:
        """The numbers, [N, 1]."""
        numbers = read_numbers(series, self.spelling)
        return Measured(numbers.values[:, None], numbers.bad)

    def state(self) -> dict[str, Any]:
        """JSON-able."""
        return _spelled(self.spelling)

    @classmethod
    def from_state(cls, name: str, state: Mapping[str, Any]) -> Self:
        """The column again; ValueError where it learned something after all."""
        if set(state) - {"decimal", "marks"}:
            raise ValueError(f"column {name!r}: {state!r} is no state of a number")
        return cls(name, _spelling_of(state))


@dataclass(frozen=True)
class DateColumn:
    """A moment: days elapsed, and places on the circles of year, month, week and day.

    Attributes:
        form: the format of strings, found in training.
        cycles: the circles on which the training rows stand at more than one place.
    """

    name: str
    form: str
    cycles: tuple[str, ...]
    spelling: Spelling = PLAIN

    @property
    def complaint(self) -> str:
        """What is said of a cell that is none."""
        if self.form in (ISO, MIXED):
            return "not a date"
        return f"not a date of the form {self.form}, see inputs.tabular.processor.date_formats"

    @classmethod
    def fit(cls, name: str, series: pd.Series, config: TableConfig) -> Self:
        """Find the format and the circles that say something."""
        form = config.date_formats.get(name) or _format_of(series, _spelling(name, config))
        try:
            _try_format(form)
        except ValueError as error:
            raise ConfigError(
                f"date_formats[{name!r}] = {form!r}: {error}",
                plugin="tabular:table",
                column=name,
                value=form,
                remedy="give a strptime format such as '%d/%m/%Y', or 'ISO8601'",
            ) from error
        spelling = _spelling(name, config)
        days = read_dates(series, form, spelling).values
        days = days[~np.isnan(days)]
        circles = _circles(days)
        varying = (c for c in _CYCLES if len(days) and float(np.ptp(circles[c])) > 1e-9)
        return cls(name, form, tuple(varying), spelling)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the numerical features it gives."""
        waves = (f"{self.name}.{cycle}.{wave}" for cycle in self.cycles for wave in ("sin", "cos"))
        return (f"{self.name}.elapsed", *waves)

    def encode(self, series: pd.Series) -> Measured:
        """Elapsed days, then sine and cosine of each circle: [N, 1 + 2 * cycles]."""
        dates: Numbers = read_dates(series, self.form, self.spelling)
        circles = _circles(dates.values)
        angles = [2 * np.pi * circles[cycle] for cycle in self.cycles]
        waves = [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
        return Measured(np.stack([dates.values, *waves], axis=1), dates.bad)

    def state(self) -> dict[str, Any]:
        """JSON-able."""
        return {"form": self.form, "cycles": list(self.cycles), **_spelled(self.spelling)}

    @classmethod
    def from_state(cls, name: str, state: Mapping[str, Any]) -> Self:
        """The column again; ValueError where the format or a circle is none."""
        cycles = _listed(state, "cycles", str)
        if [cycle for cycle in _CYCLES if cycle in cycles] != list(cycles):
            raise ValueError(f"cycles of {name!r} = {cycles!r} are not some of {_CYCLES}, in order")
        _try_format(state["form"])
        return cls(name, state["form"], cycles, _spelling_of(state))


@dataclass(frozen=True)
class CategoryColumn:
    """A category: 0 missing, 1 unseen, 2... the known ones, the most frequent first.

    Attributes:
        keys: the known categories.
        counts: training rows of each.
        unseen: share of cells without a code to be expected in new rows.
    """

    name: str
    keys: tuple[str, ...]
    counts: tuple[int, ...]
    unseen: float = 0.0
    complaint = "not a category"

    @classmethod
    def fit(cls, name: str, series: pd.Series, config: TableConfig) -> Self:
        """Learn the categories; equally frequent ones in alphabetical order."""
        found = read_keys(series)
        counts = np.bincount(found.codes[found.codes >= 0], minlength=len(found.keys))
        pairs = zip(counts.tolist(), found.keys, strict=True)
        ranked = sorted(pairs, key=lambda pair: (-pair[0], pair[1]))
        kept = ranked[: config.max_categories]
        unseen = expected_share(counts, config.max_categories)
        return cls(name, tuple(key for _, key in kept), tuple(count for count, _ in kept), unseen)

    def encode(self, series: pd.Series) -> Coded:
        """Codes, [N]."""
        found = read_keys(series)
        unlike = strange_categories(self.name, found, self._index, self.unseen)
        return replace(_coded(found, self._index), unlike=unlike)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {key: FIRST + position for position, key in enumerate(self.keys)}

    def state(self) -> dict[str, Any]:
        """JSON-able."""
        return {"keys": list(self.keys), "counts": list(self.counts), "unseen": self.unseen}

    @classmethod
    def from_state(cls, name: str, state: Mapping[str, Any]) -> Self:
        """The column again; ValueError where keys and counts are not one to one."""
        keys, counts = _listed(state, "keys", str), _counts(state)
        if not len(set(keys)) == len(keys) == len(counts):
            raise ValueError(f"{name!r} has {len(keys)} keys, some twice or without its count")
        unseen = state.get("unseen")
        if unseen is None:  # models of before knew the rows of their categories alone
            unseen = expected_share(np.array(counts, dtype=np.int64), len(keys))
        elif not (isinstance(unseen, float) and 0 <= unseen <= 1):
            raise ValueError(f"unseen = {unseen!r} of {name!r} is no share")
        return cls(name, keys, counts, unseen)


@dataclass(frozen=True)
class BooleanColumn:
    """A truth value: 0 missing, 2 false, 3 true.

    Attributes:
        counts: training rows that are false, and true.
    """

    name: str
    counts: tuple[int, ...]
    complaint = "neither true nor false"

    @classmethod
    def fit(cls, name: str, series: pd.Series, config: TableConfig) -> Self:
        """Count; the categories are given."""
        codes = read_truths(series).codes
        return cls(name, tuple(np.bincount(codes[codes >= 0], minlength=2).tolist()))

    def encode(self, series: pd.Series) -> Coded:
        """Codes, [N]."""
        return _coded(read_truths(series), {"false": FIRST, "true": FIRST + 1})

    def state(self) -> dict[str, Any]:
        """JSON-able."""
        return {"counts": list(self.counts)}

    @classmethod
    def from_state(cls, name: str, state: Mapping[str, Any]) -> Self:
        """The column again; ValueError where the counts are not two."""
        counts = _counts(state)
        if len(counts) != 2:
            raise ValueError(f"{name!r} has {len(counts)} counts, not two")
        return cls(name, counts)


NumericalColumn = NumberColumn | DateColumn
CategoricalColumn = CategoryColumn | BooleanColumn

NUMERICAL: dict[str, type[NumberColumn] | type[DateColumn]] = {
    "numerical": NumberColumn,
    "datetime": DateColumn,
}
CATEGORICAL: dict[str, type[CategoryColumn] | type[BooleanColumn]] = {
    "categorical": CategoryColumn,
    "boolean": BooleanColumn,
}


def _listed(state: Mapping[str, Any], key: str, kind: type[Item]) -> tuple[Item, ...]:
    """The list under ``key``, all of one type; ValueError where it is not."""
    values = state[key]
    if not isinstance(values, list) or any(type(value) is not kind for value in values):
        raise ValueError(f"{key} = {values!r} is no list of {kind.__name__}")
    return tuple(values)


def _counts(state: Mapping[str, Any]) -> tuple[int, ...]:
    counts = _listed(state, "counts", int)
    if min(counts, default=0) < 0:
        raise ValueError(f"counts = {counts!r} are not all 0 or more")
    return counts


def _try_format(form: str) -> None:
    """Raise ValueError where ``form`` is no date format."""
    if not isinstance(form, str):
        raise ValueError(f"{form!r} is no date format")
    read_dates(pd.Series(["2020-01-31"], dtype=object), form)


def _coded(found: Keys, index: Mapping[str, int]) -> Coded:
    table = np.array([*(index.get(key, UNSEEN) for key in found.keys), MISSING], dtype=np.int64)
    return Coded(table[found.codes], found.bad)


def _spelling(name: str, config: TableConfig) -> Spelling:
    return Spelling(config.decimals.get(name, ""), tuple(config.missing_marks.get(name, ())))


def _spelled(spelling: Spelling) -> dict[str, Any]:
    """JSON-able; nothing of what is usual."""
    found = {"decimal": spelling.decimal, "marks": list(spelling.marks)}
    return {key: value for key, value in found.items() if value}


def _spelling_of(state: Mapping[str, Any]) -> Spelling:
    """ValueError where it is none."""
    decimal = state.get("decimal", "")
    if decimal not in ("", ".", ","):
        raise ValueError(f"decimal = {decimal!r} is no sign before fractions")
    return Spelling(decimal, _listed(state, "marks", str) if "marks" in state else ())


def _format_of(series: pd.Series, spelling: Spelling) -> str:
    """The one format of up to a thousand strings spread over the column, else ``mixed``."""
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return ISO
    texts = {cell for cell in series.tolist() if isinstance(cell, str)}
    cells = pd.Series(list(texts), dtype=object)  # half characters are none of "str"
    distinct = set(cells[~spelling.missing(cells)].str.strip()) if texts else set()
    spread = sorted(distinct)[:: 1 + len(distinct) // 1000]
    return next(iter(forms_of(spread)), MIXED) if distinct else ISO


def _circles(days: FloatArray) -> dict[str, FloatArray]:
    """Place in year, month, week and day, each 0..1, of days since 1970; NaN where missing."""
    missing = np.isnan(days)
    whole = np.floor(np.where(missing, 0.0, days))
    date = whole.astype(np.int64).astype("datetime64[D]")
    of_month = (date - date.astype("datetime64[M]").astype("datetime64[D]")).astype(np.float64)
    circles = {
        "season": whole / _YEAR % 1.0,
        "month": of_month / 31.0,
        "week": (whole + 3.0) / _WEEK % 1.0,
        "day": days - whole,
    }
    return {name: np.where(missing, np.nan, place) for name, place in circles.items()}
