"""What becomes of a cell."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_text.cells import read_texts


def read(values: Any, dtype: Any = None, max_chars: int = 100) -> tuple[list[str], list[int]]:
    found = read_texts(pd.Series(values, dtype=dtype, name="x"), max_chars)
    assert not found.bad
    return found.texts, found.rows.tolist()


@pytest.mark.parametrize("dtype", ["str", "string", "string[python]", object, "category"])
def test_missing_empty_and_blank_cells_are_missing(dtype: Any) -> None:
    values = [None, "a b", "", " \t\n", np.nan, "  c  "]
    assert read(values, dtype) == (["a b", "c"], [1, 5])


def test_numbers_and_dates_are_written_out() -> None:
    values = [3, 3.0, 2.5, True, Decimal("1.50"), np.int64(7), np.float32(0.5), dt.date(2020, 1, 2)]
    texts, rows = read(values, object)
    assert texts == ["3", "3", "2.5", "True", "1.50", "7", "0.5", "2020-01-02"]
    assert rows == list(range(8))


def test_a_column_of_numbers_reads_the_same_whatever_its_dtype() -> None:
    assert read([1, 2]) == (["1", "2"], [0, 1])
    assert read([1.0, None, 2.0]) == (["1", "2"], [0, 2])
    assert read([np.inf, -np.inf, 1.5]) == (["1.5"], [2])
    assert read([True, False]) == (["True", "False"], [0, 1])
    assert read(pd.Series([pd.Timestamp("2020-01-02"), pd.NaT]))[1] == [0]


def test_other_objects_are_bad_cells_and_masked() -> None:
    values = ["text", ["a", "list"], None, {"a": 1}, b"bytes", (1, 2), np.arange(3), "more"]
    column = pd.Series(values, dtype=object, name="body")
    before = list(column)
    found = read_texts(column, 100)
    assert found.texts == ["text", "more"]
    assert found.rows.tolist() == [0, 7]
    assert sorted((cell.row, cell.column) for cell in found.bad) == [
        (row, "body") for row in (1, 3, 4, 5, 6)
    ]
    reasons = {cell.row: cell.reason for cell in found.bad}
    assert "list" in reasons[1]
    assert "bytes" in reasons[4]
    assert all(a is b for a, b in zip(before, column, strict=True))  # the caller's column


def test_strange_characters_pass() -> None:
    texts, _ = read(["a\x00b", "👩‍👩‍👧", "\u202eabc", "e\u0301"])
    assert texts == ["a\x00b", "👩‍👩‍👧", "\u202eabc", "e\u0301"]
    assert read(["ok", "half \ud800 sign"], object)[0] == ["ok", "half ? sign"]


def test_long_cells_are_cut() -> None:
    cells = ["abcdef", "x" * 1_000_000, " " * 500 + "abcdef"]
    assert read(cells, max_chars=4) == (["abcd", "xxxx"], [0, 1])


def test_an_empty_column_has_no_texts() -> None:
    assert read([], object) == ([], [])
    assert read([None, None], object) == ([], [])
    assert read([np.nan, np.nan]) == ([], [])
