"""Does a column hold series? Light: asked of every column of every table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from numbers import Real
from statistics import median
from typing import Any

from mm_core.api import ColumnSample, Detection

from mm_series.cells import read

ENOUGH = 0.9
"""Share of cells that must be series; the others are reported when they are read."""

SHORTEST = {"array": 2, "json": 2, "separated": 5}
"""Points of a typical cell below which it is something else: '47.38, 8.54', '079 123 45 67'."""

SURE = 8
"""Points of a typical cell from which it is hardly anything else; a claim below it is weak."""


def detect(sample: ColumnSample) -> Detection | None:
    """Claim a column whose cells are nearly all lists of enough numbers."""
    series = [found for found in map(read, sample.values) if found and _are_numbers(found[1])]
    if not series or len(series) < ENOUGH * len(sample.values):
        return None
    kind = Counter(kind for kind, _ in series).most_common(1)[0][0]
    points = median(len(items) for _, items in series)
    if points < SHORTEST[kind]:
        return None
    reason = f"{len(series)} of {len(sample.values)} values are series, {points:g} points each"
    return Detection(kind, 0.95 if points >= SURE else 0.5, reason)


def _are_numbers(items: Sequence[Any]) -> bool:
    return all(
        item is None or (isinstance(item, Real) and not isinstance(item, bool)) for item in items
    )
