"""Cells that training saw none of: categories without a code, numbers far outside the range; and
columns nearly all of whose cells are outside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np

from mm_core.api import Unlike
from mm_tabular.cells import FloatArray, Keys

SHOWN = 3
"""Examples of a column."""

_NEW = "hold categories that training did not see"
_FAR = "lie far outside the range of training"
_OUTSIDE = "lie outside the range of training"

MANY, NEARLY_ALL = 20, 0.95
"""Cells, and the share of them that is outside, by which a column is another one than in training:
in other units, of another time."""


def expected_share(counts: np.ndarray, kept: int) -> float:
    """Share of new cells without a code, of rows like those of training.

    What stands in one training row only is as frequent as what stands in none (Good and Turing);
    categories beyond the ``kept`` most frequent ones have no code either.

    Args:
        counts: training rows of each category.
        kept: how many of them have a code.
    """
    n = int(counts.sum())
    lone = int((counts == 1).sum())
    rest = int(np.sort(counts)[::-1][kept:].sum())
    return min(1.0, (lone + rest + 1) / (n + 1))


def strange_categories(
    column: str, found: Keys, index: Mapping[str, int], expected: float
) -> Unlike:
    """Of one column.

    Args:
        column: its name.
        found: its cells.
        index: the known categories.
        expected: see :func:`expected_share`.
    """
    cells = int(np.count_nonzero(found.codes >= 0))
    new = [code for code, key in enumerate(found.keys) if key not in index]
    if not new:
        return Unlike(column, _NEW, 0, cells, expected)
    rows = np.bincount(found.codes[found.codes >= 0], minlength=len(found.keys))[new]
    keys = [found.keys[code] for code in new]
    examples = tuple(_shown(key) for key in keys[:SHOWN])
    hint = _hint(keys, rows, index)
    return Unlike(column, _NEW, int(rows.sum()), cells, expected, examples, hint)


@dataclass(frozen=True)
class Ranges:
    """The training range of numbers, and of dates in days.

    Attributes:
        names: their columns.
        places: columns of the matrix that hold them.
        low: float64 [n]; infinite where training held no number.
        high: likewise.
        dates: which of the columns hold dates.
    """

    names: tuple[str, ...] = ()
    places: tuple[int, ...] = ()
    low: FloatArray = field(default_factory=lambda: np.zeros(0))
    high: FloatArray = field(default_factory=lambda: np.zeros(0))
    dates: frozenset[str] = frozenset()

    @classmethod
    def fit(
        cls, places: Mapping[str, int], matrix: FloatArray, dates: frozenset[str] = frozenset()
    ) -> Self:
        """Of the columns of a matrix [N, n] at these places, NaN where missing."""
        of = matrix[:, list(places.values())]
        low, high = (end(of, axis=0, initial=begin) for end, begin in _ENDS)
        return cls(tuple(places), tuple(places.values()), low, high, dates)

    def strange(self, matrix: FloatArray, missing: np.ndarray) -> list[Unlike]:
        """Of each column, numbers farther from the training range than it is wide; or, where
        nearly all cells are outside of it, these.

        What is above the range by less than its width is neither: counters and dates go on. Most
        rows are later than those of training, so that of dates only nearly all are told.

        Args:
            matrix: float64 [N, n], unscaled.
            missing: bool [N, n].
        """
        if not self.names:
            return []
        lowest, low, highest = self._bounds
        places = list(self.places)
        whole = places == list(range(matrix.shape[1]))  # then nothing has to be copied
        numbers, holes = (matrix, missing) if whole else (matrix[:, places], missing[:, places])
        above = numbers > highest
        far, outside = above | (numbers < lowest), above | (numbers < low)
        cells = len(numbers) - np.count_nonzero(holes, axis=0)
        n_far, n_outside = (np.count_nonzero(which, axis=0) for which in (far, outside))
        astray = (cells >= MANY) & (n_outside >= NEARLY_ALL * cells)
        astray &= (n_outside > n_far) | self._are_dates
        n_far = np.where(astray | self._are_dates, 0, n_far)
        n_outside = np.where(astray, n_outside, 0)
        counts = zip(self.names, cells.tolist(), n_far.tolist(), n_outside.tolist(), strict=True)
        found = []
        for k, (name, n, so_far, so_outside) in enumerate(counts):
            shown = self._examples(k, numbers, far) if so_far else ()
            spans = self._spans(k, numbers, outside) if so_outside else ()
            found.append(Unlike(name, _FAR, so_far, n, examples=shown))
            found.append(Unlike(name, _OUTSIDE, so_outside, n, examples=spans))
        return found

    def state(self) -> dict[str, list[float]]:
        """JSON-able: column -> its ends; none where training held no number."""
        ends = zip(self.names, self.low.tolist(), self.high.tolist(), strict=True)
        return {name: [low, high] for name, low, high in ends if low <= high}

    @classmethod
    def from_state(
        cls,
        places: Mapping[str, int],
        state: Mapping[str, Any],
        dates: frozenset[str] = frozenset(),
    ) -> Self:
        """As it was; models of before have no ranges. ValueError where an end is no number."""
        ends = [state.get(name, _NONE) for name in places]
        for name, pair in zip(places, ends, strict=True):
            if len(pair) != 2 or any(type(end) is not float or end != end for end in pair):
                raise ValueError(f"{pair!r} is no range of {name!r}")
        low, high = np.array(ends, dtype=np.float64).reshape(-1, 2).T
        return cls(tuple(places), tuple(places.values()), low, high, dates)

    @cached_property
    def _are_dates(self) -> np.ndarray:
        return np.array([name in self.dates for name in self.names], dtype=bool)

    @cached_property
    def _bounds(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """float64 [n] each: what is below the first, or above the last, is far outside; what is
        below the second is outside.
        """
        known = np.isfinite(self.low) & np.isfinite(self.high)
        low, high = np.where(known, self.low, 0.0), np.where(known, self.high, 0.0)
        width = np.where(high > low, high - low, np.abs(high) + 1.0)
        lowest, highest = (
            np.where(known, low - width, -np.inf),
            np.where(known, high + width, np.inf),
        )
        return lowest, np.where(known, low, -np.inf), highest

    def _examples(self, k: int, numbers: FloatArray, far: np.ndarray) -> tuple[str, ...]:
        found = [f"{numbers[row, k]:g}" for row in np.flatnonzero(far[:, k])[:SHOWN]]
        ends = f"training: {self.low[k]:g} to {self.high[k]:g}"
        return (*dict.fromkeys(found[: SHOWN - 1]), ends)

    def _spans(self, k: int, numbers: FloatArray, outside: np.ndarray) -> tuple[str, ...]:
        """Both ranges."""
        found = numbers[outside[:, k], k]
        shown = _day if self.names[k] in self.dates else "{:g}".format
        return (
            f"here: {shown(found.min())} to {shown(found.max())}",
            f"training: {shown(self.low[k])} to {shown(self.high[k])}",
        )


_NONE = [np.inf, -np.inf]
_ENDS = ((np.fmin.reduce, np.inf), (np.fmax.reduce, -np.inf))


def _day(days: float) -> str:
    """``2024-01-31``, and the time where it is not midnight."""
    return str(np.datetime64(round(days * 86_400), "s")).removesuffix("T00:00:00")


def _hint(keys: Sequence[str], rows: np.ndarray, index: Mapping[str, int]) -> str:
    """Whether they are known ones, written otherwise; asked only where there are new ones."""
    known = {_folded(key): key for key in reversed(index)}
    pairs = [(key, known.get(_folded(key))) for key in keys]
    alike = sum(int(n) for (_, match), n in zip(pairs, rows, strict=True) if match is not None)
    if not alike:
        return ""
    key, match = next(pair for pair in pairs if pair[1] is not None)
    return (
        f"{alike} of them are known ones but for blanks, case or the form of a number: "
        f"{_shown(key)} is {match!r} in training; write them alike"
    )


def _folded(key: str) -> str:
    bare = key.strip().casefold()
    try:
        return repr(float(bare))
    except ValueError:
        return bare


def _shown(key: str) -> str:
    return repr(key if len(key) <= 40 else f"{key[:40]}...")
