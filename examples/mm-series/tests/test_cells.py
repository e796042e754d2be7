"""The forms of a cell, and which columns are claimed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_core import MultiModalPredictor
from mm_core.api import ColumnSample

from mm_series.cells import read
from mm_series.detect import detect

LONG = [0.5, 1.25, -3.0, 4.0, 0.0, 0.125, 7.0, 8.5]


def sample(*values: Any) -> ColumnSample:
    """A column of these cells."""
    return ColumnSample("x", "object", values, 0.0, len(values), len(values), Path())


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        (LONG, "array"),
        (tuple(LONG), "array"),
        (np.array(LONG), "array"),
        (pd.Series(LONG), "array"),
        (" [0.5, 1.25, -3, 4, 0, 1.25e-1, 7, 8.5] ", "json"),
        ("0.5;1.25;-3;4;0;.125;7;8.5", "separated"),
        ("0.5 | 1.25 | -3 | 4 | 0 | 0.125 | 7 | 8.5", "separated"),
        ("0.5,1.25,-3,4,0,0.125,7,8.5", "separated"),
        (str(np.array(LONG)), "separated"),
    ],
)
def test_one_series_in_many_forms(cell: Any, kind: str) -> None:
    found = read(cell)
    assert found is not None
    assert found[0] == kind
    assert list(found[1]) == LONG


@pytest.mark.parametrize("cell", ["[1, null, NaN, 2]", "1;;nan;2", "1; None; NA ;2"])
def test_gaps_are_kept_in_their_places(cell: str) -> None:
    found = read(cell)
    assert found is not None
    assert [item is None or item != item for item in found[1]] == [False, True, True, False]


@pytest.mark.parametrize(
    "cell", ["", "[0.1 ... 0.9]", "[1, 2", "[1, 2,]", "1;two", "1_0;2", 3.5, None, {}, b"1;2"]
)
def test_what_is_no_series(cell: Any) -> None:
    assert read(cell) is None


def test_a_few_broken_cells_do_not_hide_a_column() -> None:
    claim = detect(sample(*[LONG] * 19, "oops"))
    assert claim is not None
    assert (claim.kind, claim.score) == ("array", 0.95)
    assert detect(sample(*[LONG] * 8, "oops", "oops")) is None


@pytest.mark.parametrize(
    "cell", ["47.3769, 8.5417", "12", "1,5", "079 123 45 67", "a b c", [[1, 2], [3]], ["a"] * 9]
)
def test_other_columns_are_left_alone(cell: Any) -> None:
    assert detect(sample(*[cell] * 20)) is None


def test_short_lists_are_a_weak_claim_and_others_keep_their_columns() -> None:
    claim = detect(sample(*[[1, 2, 3]] * 20))
    assert claim is not None
    assert claim.score == 0.5
    frame = pd.DataFrame(
        {
            "curve": [np.array(LONG) + row for row in range(40)],
            "sizes": ["38;39;40;41;42", "36;37;38;39;40"] * 20,
            "name": ["red shoe with laces", "a blue one"] * 20,
            "price": np.arange(40) / 3,
            "y": [0, 1] * 20,
        }
    )
    columns = MultiModalPredictor("y", verbosity=0).plan(frame).columns
    plans = [columns.plan(name) for name in ("curve", "sizes", "price")]
    assert [plan and plan.kind for plan in plans] == ["array", "categorical", "numerical"]
