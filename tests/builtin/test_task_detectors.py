"""Which task a label asks for, with the reason."""

from __future__ import annotations

import warnings
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ColumnSample, Detection, LabelSample
from mm_core.api.errors import EmptyDataError, LabelError, MMWarning
from mm_core.builtin.detect import (
    detect_binary,
    detect_multiclass,
    detect_multilabel,
    detect_regression,
)


def sample(
    values: list[Any], dtype: str, n_unique: int | None = None, n_rows: int = 1000
) -> LabelSample:
    unique = len(set(values)) if n_unique is None else n_unique
    column = ColumnSample("y", dtype, tuple(values), 0.0, n_rows, unique, Path())
    return LabelSample((column,))


def several(*columns: list[Any]) -> LabelSample:
    kinds = {bool: "boolean", int: "number", float: "number"}
    parts = [sample(values, kinds[type(values[0])]).columns[0] for values in columns]
    return LabelSample(tuple(parts))


def best(label: LabelSample) -> Detection | None:
    detectors = (detect_binary, detect_multiclass, detect_multilabel, detect_regression)
    claims = [claim for detector in detectors if (claim := detector(label))]
    return max(claims, key=lambda claim: claim.score, default=None)


@pytest.mark.parametrize(
    ("label", "kind", "reason"),
    [
        (sample([0, 1], "number"), "binary", "0 and 1"),
        (sample([False, True], "boolean"), "binary", "2 distinct"),
        (sample(["no", "yes"], "string"), "binary", "'no' and 'yes'"),
        (sample([0.1, 0.9], "number"), "binary", "2 distinct"),
        (sample(["a", "b", "c"], "string"), "multiclass", "3 distinct values of type string"),
        (sample(["a", "b", "c"], "categorical"), "multiclass", "categorical"),
        (sample([1, 2, 3, 4, 5], "number"), "multiclass", "whole numbers with 5"),
        (sample([1.0, 2.0, 3.0], "number"), "multiclass", "whole numbers with 3"),
        (sample(list(range(21)), "number"), "regression", "whole numbers with 21"),
        (sample([1, 2, 3, 4], "number", n_rows=19), "regression", "whole numbers with 4"),
        (sample([1, 2, 3, 4], "number", n_rows=20), "multiclass", "in 20 rows"),
        (sample([0.5, 1.0, 2.5], "number"), "regression", "fractions"),
        (
            sample([("a",), (), ("a", "b")], "object"),
            "multilabel",
            "every value is a list of labels",
        ),
        (sample([("a",), ()], "object"), "multilabel", "is a list of labels"),
        (
            sample(['["a"]', "[]", '["a", "b"]'], "string"),
            "multilabel",
            "every value is a list of labels",
        ),
        (sample(["[a]", "[b]", "[c]"], "string"), "multiclass", "3 distinct"),
        (several([0, 1], [False, True]), "multilabel", "2 columns of 0 and 1"),
        (several([0.0, 1.0], [1, 1]), "multilabel", "2 columns of 0 and 1"),
    ],
)
def test_label_asks_for(label: LabelSample, kind: str, reason: str) -> None:
    found = best(label)
    assert found is not None
    assert found.kind == kind
    assert reason in found.reason


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["2020-01-01", "2020-01-02"], "datetime"),
        ([date(2020, 1, 1), date(2020, 1, 2)], "object"),
        ([timedelta(1), timedelta(2), timedelta(3)], "object"),
    ],
)
def test_dates_and_durations_are_left_to_the_task_that_says_how_to_convert_them(
    values: list[Any], dtype: str
) -> None:
    found = best(sample(values, dtype))
    assert found is not None
    assert (found.kind, found.score) == ("regression", 0.1)


def test_numbers_that_are_no_float() -> None:
    wide = best(sample([10**400 + i for i in range(30)], "number"))
    assert wide is not None
    assert wide.kind == "regression"
    tenths = best(sample([Decimal(i) / 10 for i in range(30)], "number"))
    assert tenths is not None
    assert tenths.kind == "regression"
    turning = best(sample([1 + 2j, 3j, 1j], "object"))
    assert turning is not None  # refused by the task, with the rows


def test_nothing_claims_constants_and_several_columns() -> None:
    assert best(sample([3], "number")) is None
    two = sample([0, 3], "number").columns * 2
    assert best(LabelSample(two)) is None


def test_a_label_of_files_is_left_to_a_task_that_reads_them(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(b"?")
    column = replace(sample(["a.png", "b.png", "c.png"], "string").columns[0], folder=tmp_path)
    assert best(LabelSample((column,))).score == 0.5
    assert best(sample(["a.png", "b.png", "c.png"], "string")).score == 1.0


def told_of(cells: list[str]) -> list[str]:
    frame = pd.DataFrame({"x": [n % 7 + 0.5 for n in range(len(cells))], "y": cells})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        MultiModalPredictor("y", verbosity=0).plan(frame)
    return [str(one.message) for one in told if "label y" in str(one.message)]


DAYS = pd.date_range("2023-01-01", periods=40)


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        ([f"{n / 10} kg" for n in range(40)], 0.0),
        ([f"{n + 1}\u00b5m" for n in range(40)], 1),
        (list(DAYS.strftime("%Y-%m-%d")), 19358),
        (list(DAYS.strftime("%d.%m.%Y")), 19358),
        (list(DAYS.strftime("%m/%d/%Y")), 19358),
        (list(DAYS.strftime("%Y-%m-%dT%H:%M:%S+00:00")), 19358),
        (list(DAYS.strftime(" %d %b %Y")), 19358),
        ([f"{day.year}-{day.month}-{day.day}" for day in DAYS], 19358),
    ],
    ids=lambda cells: str(cells)[:20],
)
def test_texts_that_are_amounts_or_dates_are_told_with_what_makes_numbers_of_them(cells, first):
    (told,) = told_of(cells)
    assert "40 classes in 40 rows, such as '" in told
    df = pd.DataFrame({"y": cells})
    exec(
        told.split("numbers: ")[1].split(", or in the file")[0].split(". Where")[0],
        globals(),
        {"df": df},
    )
    assert df["y"][0] == first
    assert (
        MultiModalPredictor("y", verbosity=0).plan(df.assign(x=range(40))).task.id
        == "core:regression"
    )


@pytest.mark.parametrize("form", ["1\u2019{}", "1'{}", "1 {}", "1,{}.5", "{},5 \u20ac"])
def test_amounts_of_any_style_are_for_regression_which_says_how_they_are_read(form):
    frame = pd.DataFrame({"y": [form.format(n) for n in range(100, 160)], "x": range(60)})
    with pytest.raises(LabelError, match="write the numbers alone"):
        MultiModalPredictor("y", verbosity=0).plan(frame)


def test_of_amounts_a_fifth_of_the_rows_is_enough():
    (told,) = told_of([f"{n % 21} kg" for n in range(104)])
    assert "21 classes in 104 rows" in told


def test_other_texts_that_nearly_all_differ_are_told():
    (told,) = told_of([f"m{n}.png" for n in range(40)])
    assert "names of files, which are not there" in told
    (told,) = told_of([f"{n % 11 + n // 20 * 11}th {n} Street" for n in range(21)])
    assert "21 classes in 21 rows" in told
    assert "is another column the label?" in told
    (told,) = told_of([f"u{n}@x.org" for n in range(40)])
    assert "names of files" not in told


@pytest.mark.parametrize(
    "cells",
    [
        [f"{n} kg" for n in range(19)],
        [f"{n % 20} kg" for n in range(40)],
        [f"class {n % 3}" for n in range(40)],
        [f"{n % 21} kg" for n in range(105)],
        [f"street {n % 30}" for n in range(60)],
    ],
    ids=lambda cells: cells[-1],
)
def test_ordinary_labels_are_not_told(cells):
    assert told_of(cells) == []


def test_a_label_whose_classes_all_have_one_row_says_why_that_may_be(tmp_path):
    frame = pd.DataFrame({"x": range(40), "y": [f"{n} kg" for n in range(40)]})
    with (
        pytest.warns(MMWarning, match="40 classes in 40 rows"),
        pytest.raises(EmptyDataError, match="a label of amounts, dates or names of files"),
    ):
        MultiModalPredictor("y", verbosity=0).fit(frame)


def test_a_label_of_files_is_told(tmp_path):
    frame = pd.DataFrame({"x": range(40), "mask": [f"m{i}.png" for i in range(40)]})
    for name in frame["mask"]:
        (tmp_path / name).write_bytes(b"?")
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.warns(MMWarning, match="label mask: its cells are names of files, such as 'm"):
        MultiModalPredictor("mask", verbosity=0).plan(tmp_path / "t.csv")
