"""The processor: every kind of column, missing and broken cells, state, batches."""

from __future__ import annotations

import json
import time
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mm_tabular.configs import TableConfig
from mm_tabular.table import TableProcessor

from mm_core.api import BadCell, Encoded, Field, State, Table

SCALINGS = ("quantile", "robust", "standard")


def table(**columns: Any) -> Table:
    return Table(pd.DataFrame(columns), Path())


def fitted(data: Table, config: TableConfig | None = None, **kinds: str) -> TableProcessor:
    fields = [Field(column, kind) for column, kind in kinds.items()]
    processor = TableProcessor(config or TableConfig(), fields)
    processor.fit(data)
    return processor


def objects(*cells: Any) -> pd.Series:
    return pd.Series(list(cells), dtype=object)


MIXED = table(
    n=[1.0, 2.0, np.nan, 4.0, np.inf, 6.0],
    s=["1.5", "2.5", None, "", "4", "-1e3"],
    c=["x", "y", "x", None, "z", "x"],
    d=["2020-01-31", None, "2020-02-01T12:00:00", "2021-07-01", "2020-01-31", "2022-12-31"],
    b=objects(True, False, None, True, False, True),
)
KINDS = {"n": "numerical", "s": "numerical", "c": "categorical", "d": "datetime", "b": "boolean"}


def assert_same(one: Encoded, other: Encoded) -> None:
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        assert array.dtype == other.arrays[name].dtype
        np.testing.assert_array_equal(array, other.arrays[name])
    np.testing.assert_array_equal(one.present, other.present)
    assert one.bad == other.bad


# ---- each kind ---------------------------------------------------------------------------------


def test_shapes_and_dtypes() -> None:
    processor = fitted(MIXED, **KINDS)
    encoded = processor.encode(MIXED)
    n = len(processor.info["numerical_features"])
    assert encoded.arrays["numerical"].shape == encoded.arrays["missing"].shape == (6, n)
    assert encoded.arrays["numerical"].dtype == np.float32
    assert encoded.arrays["missing"].dtype == bool
    assert encoded.arrays["categorical"].shape == (6, 2)
    assert encoded.arrays["categorical"].dtype == np.int64
    assert processor.info["categorical_features"] == ["c", "b"]
    assert processor.info["category_counts"] == [[3, 1, 1], [2, 3]]
    json.dumps(processor.info)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_numbers_keep_their_order_and_come_to_scale(scaling: Any) -> None:
    values = np.exp(np.random.default_rng(0).normal(size=2000) * 2)
    data = table(n=values)
    processor = fitted(data, TableConfig(scaling=scaling), n="numerical")
    scaled = processor.encode(data).arrays["numerical"][:, 0]
    assert (np.diff(scaled[np.argsort(values)]) >= 0).all()
    assert abs(np.median(scaled)) < 0.5
    assert np.abs(scaled).max() <= 10


def test_quantiles_of_a_two_valued_number_stay_near_zero() -> None:
    data = table(n=[0.0] * 70 + [1.0] * 30)
    scaled = fitted(data, n="numerical").encode(data).arrays["numerical"][:, 0]
    assert np.abs(scaled).max() < 1.5


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("value", [1e308, -1e308, 1e30, 5e-324])
def test_huge_numbers_stay_finite(scaling: Any, value: float) -> None:
    data = table(n=[value, -value, 0.0, 1.0, 2.0])
    encoded = fitted(data, TableConfig(scaling=scaling), n="numerical").encode(data)
    assert np.isfinite(encoded.arrays["numerical"]).all()
    assert not encoded.arrays["missing"].any()


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_column_without_any_value_in_training(scaling: Any) -> None:
    processor = fitted(
        table(n=[np.nan, np.nan], c=[None, None], d=[None, None], b=[None, None]),
        TableConfig(scaling=scaling),
        n="numerical",
        c="categorical",
        d="datetime",
        b="boolean",
    )
    encoded = processor.encode(table(n=[3.0], c=["new"], d=["2020-01-01"], b=[True]))
    assert np.isfinite(encoded.arrays["numerical"]).all()
    assert encoded.arrays["categorical"].tolist() == [[1, 3]]
    assert not encoded.bad


def test_a_constant_number() -> None:
    data = table(n=[5.0] * 4)
    for scaling in SCALINGS:
        processor = fitted(data, TableConfig(scaling=scaling), n="numerical")
        assert (processor.encode(data).arrays["numerical"] == 0).all()


def test_categories_have_codes_by_frequency_then_name() -> None:
    data = table(c=["b", "a", "b", "c", None, "a", "b"])
    encoded = fitted(data, c="categorical").encode(data)
    assert encoded.arrays["categorical"][:, 0].tolist() == [2, 3, 2, 4, 0, 3, 2]


def test_no_category_is_dropped_for_being_rare() -> None:
    data = table(c=["red"] * 297 + ["green", "green", "blue"])
    codes = fitted(data, c="categorical").encode(data).arrays["categorical"]
    assert len(np.unique(codes)) == 3
    assert (codes > 1).all()


def test_an_unseen_category_is_normal_input_with_its_own_code() -> None:
    processor = fitted(table(c=["x", "y"]), c="categorical")
    encoded = processor.encode(table(c=["x", "new", None]))
    assert encoded.arrays["categorical"][:, 0].tolist() == [2, 1, 0]
    assert not encoded.bad


def test_categories_beyond_the_cap_share_the_unseen_code() -> None:
    data = table(c=["a", "a", "b", "b", "c"])
    processor = fitted(data, TableConfig(max_categories=2), c="categorical")
    assert processor.encode(data).arrays["categorical"][:, 0].tolist() == [2, 2, 3, 3, 1]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, 2]),
        pd.Series([1.0, 2.0]),
        pd.Series(["1", "2"]),
        pd.Series(["1.0", "2.0"]),
        pd.Series([1, 2], dtype="Int64"),
        pd.Series([1, 2], dtype="category"),
        objects(1, "2"),
        objects(Decimal(1), 2.0),
    ],
)
def test_a_category_is_the_same_in_any_dtype(column: pd.Series) -> None:
    for training in ([1, 1, 2], [1.0, 1.0, 2.0], ["1", "1", "2"], ["1.0", "1.0", "2.0"]):
        processor = fitted(table(c=training), c="categorical")
        assert processor.encode(table(c=column)).arrays["categorical"][:, 0].tolist() == [2, 3]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["1.5", "2"]),
        pd.Series([1.5, 2], dtype="float32"),
        pd.Series([1.5, 2], dtype="category"),
        objects("1.5", 2),
        objects(Decimal("1.5"), True + 1),
    ],
)
def test_a_number_is_the_same_in_any_dtype(column: pd.Series) -> None:
    processor = fitted(table(n=[1.0, 1.5, 2.0, 3.0]), n="numerical")
    expected = processor.encode(table(n=[1.5, 2.0]))
    assert_same(processor.encode(table(n=column)), expected)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([True, False]),
        pd.Series([1, 0]),
        pd.Series([1.0, 0.0]),
        pd.Series(["True", "false"]),
        pd.Series(["yes", "No"]),
        pd.Series([True, False], dtype="boolean"),
        objects(True, 0),
    ],
)
def test_a_truth_is_the_same_in_any_dtype(column: pd.Series) -> None:
    processor = fitted(table(b=[True, False]), b="boolean")
    encoded = processor.encode(table(b=column))
    assert encoded.arrays["categorical"][:, 0].tolist() == [3, 2]
    assert not encoded.bad


def test_dates_give_elapsed_time_and_circles_that_vary() -> None:
    daily = table(d=pd.date_range("2020-01-01", periods=400, freq="D"))
    processor = fitted(daily, d="datetime")
    features = processor.info["numerical_features"]
    assert features[0] == "d.elapsed"
    assert "d.week.sin" in features
    assert "d.season.cos" in features
    assert not [name for name in features if ".day." in name]
    elapsed = processor.encode(daily).arrays["numerical"][:, 0]
    assert (np.diff(elapsed) > 0).all()


def test_hours_matter_where_training_has_hours() -> None:
    data = table(d=pd.date_range("2020-01-01", periods=48, freq="h"))
    assert "d.day.sin" in fitted(data, d="datetime").info["numerical_features"]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["2/22/2015 18:15"]),
        pd.Series(["2015-02-22 18:15:00"]),
        pd.Series(pd.to_datetime(["2015-02-22 18:15"])),
        pd.Series(pd.to_datetime(["2015-02-22 20:15"])).dt.tz_localize("Etc/GMT-2"),
        objects(pd.Timestamp("2015-02-22 18:15")),
        pd.Series(["2015-02-22T20:15:00+02:00"]),
    ],
)
def test_a_moment_is_the_same_in_any_form(column: pd.Series) -> None:
    training = table(d=["2/22/2015 18:15", "12/31/2015 0:00", None, "2/23/2015 1:00"])
    processor = fitted(training, d="datetime")
    expected = processor.encode(training).arrays["numerical"][0]
    encoded = processor.encode(table(d=column))
    assert not encoded.bad
    np.testing.assert_array_equal(encoded.arrays["numerical"][0], expected)


def test_days_before_months_where_the_user_says_so() -> None:
    training = table(d=["01/02/2020", "02/03/2020"])
    day_first = TableConfig(date_formats={"d": "%d/%m/%Y"})
    processor = fitted(training, day_first, d="datetime")
    encoded = processor.encode(table(d=["2020-02-01", "01/02/2020"]))
    np.testing.assert_array_equal(*encoded.arrays["numerical"])


def test_pandas_parses_mixed_formats() -> None:
    data = table(d=["2020-01-31", "1 Feb 2020", "02/03/2020"])
    encoded = fitted(data, d="datetime").encode(data)
    assert not encoded.bad
    assert (np.diff(encoded.arrays["numerical"][:, 0]) > 0).all()


# ---- missing and broken cells --------------------------------------------------------------------


def test_missing_cells_are_zero_and_marked() -> None:
    encoded = fitted(MIXED, **KINDS).encode(MIXED)
    numerical, missing = encoded.arrays["numerical"], encoded.arrays["missing"]
    assert missing[:, 0].tolist() == [False, False, True, False, True, False]
    assert missing[:, 1].tolist() == [False, False, True, True, False, False]
    assert (numerical[missing] == 0).all()
    assert missing[1, 2:].all()
    assert encoded.arrays["categorical"][3, 0] == 0
    assert not encoded.bad


def test_a_row_with_nothing_in_it_is_absent() -> None:
    processor = fitted(MIXED, **KINDS)
    empty = table(n=[None, 1.0], s=["", None], c=[None, None], d=[pd.NaT] * 2, b=[None, None])
    assert processor.encode(empty).present.tolist() == [False, True]


@pytest.mark.parametrize(
    ("kind", "cell", "reason"),
    [
        ("numerical", "abc", "not a number"),
        ("numerical", [1, 2], "not a number"),
        ("numerical", date(2020, 1, 1), "not a number"),
        ("numerical", 1 + 2j, "not a number"),
        ("datetime", "soon", "not a date"),
        ("datetime", 7, "not a date"),
        ("datetime", ["2020-01-01"], "not a date"),
        ("boolean", "perhaps", "neither true nor false"),
        ("boolean", 2, "neither true nor false"),
        ("categorical", ["x"], "not a category"),
        ("categorical", {"a": 1}, "not a category"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named_and_masked(kind: str, cell: Any, reason: str) -> None:
    good = {"numerical": 1.0, "datetime": "2020-01-01", "boolean": True, "categorical": "x"}[kind]
    processor = fitted(table(c=objects(good, good)), c=kind)
    encoded = processor.encode(table(c=objects(good, cell, None)))
    assert encoded.bad == [BadCell(1, "c", repr(cell), reason)]
    assert encoded.present.tolist() == [True, False, False]


def test_broken_cells_do_not_move_their_neighbours() -> None:
    processor = fitted(MIXED, **KINDS)
    clean = processor.encode(MIXED)
    frame = MIXED.frame.astype({"n": object})
    frame.loc[3, "n"] = "broken"
    dirty = processor.encode(Table(frame, Path()))
    others = np.array([0, 1, 2, 4, 5])
    np.testing.assert_array_equal(
        dirty.arrays["numerical"][others], clean.arrays["numerical"][others]
    )
    assert [(cell.row, cell.column) for cell in dirty.bad] == [(3, "n")]


def test_a_broken_cell_in_training_teaches_nothing() -> None:
    clean = fitted(table(n=objects(1, 2, 3, None)), n="numerical")
    dirty = fitted(table(n=objects(1, 2, 3, "junk")), n="numerical")
    probe = table(n=[0.0, 1.5, 9.0])
    assert_same(clean.encode(probe), dirty.encode(probe))


def test_the_frame_is_not_changed() -> None:
    before = MIXED.frame.copy(deep=True)
    fitted(MIXED, **KINDS).encode(MIXED)
    pd.testing.assert_frame_equal(MIXED.frame, before)


@pytest.mark.parametrize("kind", ["categorical", "numerical", "datetime", "boolean"])
def test_half_characters_are_named_and_masked_and_do_not_reach_the_state(kind: str) -> None:
    data = table(c=objects("1", "x\ud800", "1", "\udfff", None))
    processor = fitted(data, c=kind)
    encoded = processor.encode(data)
    assert [(cell.row, cell.column) for cell in encoded.bad if cell.row % 2] == [(1, "c"), (3, "c")]
    assert not encoded.present[[1, 3, 4]].any()
    json.dumps(processor.state().values, ensure_ascii=False).encode()
    [cell.value.encode() for cell in encoded.bad]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(pd.to_timedelta(["1s", "90s", None, "2min"])),
        pd.Series(pd.to_timedelta(["1s", "90s", None, "2min"])).astype("duration[us][pyarrow]"),
        objects(timedelta(seconds=1), timedelta(seconds=90), None, timedelta(minutes=2)),
        pd.Series(pd.to_timedelta(["1s", "90s", None, "2min"])).astype("category"),
    ],
    ids=["timedelta64", "arrow", "objects", "categorical"],
)
def test_durations_are_seconds(column: pd.Series) -> None:
    seconds = table(n=[1.0, 90.0, None, 120.0])
    processor = fitted(seconds, n="numerical")
    assert_same(processor.encode(table(n=column)), processor.encode(seconds))


# ---- state, batches, training rows ---------------------------------------------------------------


@pytest.mark.parametrize("scaling", SCALINGS)
def test_state_round_trip_is_exact(scaling: Any) -> None:
    config = TableConfig(scaling=scaling)
    processor = fitted(MIXED, config, **KINDS)
    state = processor.state()
    stored = State(
        json.loads(json.dumps(state.values)), {k: v.copy() for k, v in state.arrays.items()}
    )
    again = TableProcessor.from_state(config, processor.fields, stored)
    probe = table(
        n=[0.5, 99.0, None],
        s=["7", "x", ""],
        c=["y", "new", "x"],
        d=["2020-03-01"] * 3,
        b=[1, 0, 2],
    )
    assert_same(again.encode(probe), processor.encode(probe))
    assert again.info == processor.info


def test_fitting_twice_gives_the_same_state() -> None:
    one, other = fitted(MIXED, **KINDS).state(), fitted(MIXED, **KINDS).state()
    assert json.dumps(one.values) == json.dumps(other.values)
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name])


def test_only_training_rows_are_learned_from() -> None:
    train = MIXED.take(np.arange(4))
    processor = fitted(train, **KINDS)
    encoded = processor.encode(MIXED)
    assert encoded.arrays["categorical"][4, 0] == 1  # "z" stands in row 4 only
    assert_same(processor.encode(train), fitted(train, **KINDS).encode(train))
    first = processor.encode(train)
    np.testing.assert_array_equal(encoded.arrays["numerical"][:4], first.arrays["numerical"])


def test_a_batch_is_a_selection_of_rows() -> None:
    processor = fitted(MIXED, **KINDS)
    encoded = processor.encode(MIXED)
    rows = np.array([4, 0, 4, 2])
    batch = processor.batch(encoded, rows)
    singles = [processor.batch(encoded, np.array([row])) for row in rows]
    for name, array in batch.arrays.items():
        np.testing.assert_array_equal(array, np.concatenate([s.arrays[name] for s in singles]))
    assert batch.present.tolist() == encoded.present[rows].tolist()


def test_training_hides_some_cells_and_leaves_the_encoded_frame_alone() -> None:
    data = table(n=np.arange(4000.0), c=["x", "y"] * 2000)
    processor = fitted(data, TableConfig(mask_rate=0.1), n="numerical", c="categorical")
    encoded = processor.encode(data)
    before = {name: array.copy() for name, array in encoded.arrays.items()}
    arrays = processor.batch(encoded, np.arange(4000), np.random.default_rng(0)).arrays
    assert 0.07 < arrays["missing"].mean() < 0.13
    assert (arrays["numerical"][arrays["missing"]] == 0).all()
    shares = np.bincount(arrays["categorical"][:, 0], minlength=4) / 4000
    assert 0.03 < shares[0] < 0.07
    assert 0.03 < shares[1] < 0.07
    for name, array in before.items():
        np.testing.assert_array_equal(array, encoded.arrays[name])


def test_no_cell_is_hidden_at_rate_zero() -> None:
    processor = fitted(MIXED, TableConfig(mask_rate=0), **KINDS)
    encoded = processor.encode(MIXED)
    arrays = processor.batch(encoded, np.arange(6), np.random.default_rng(0)).arrays
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, encoded.arrays[name])


def test_a_large_table_is_encoded_at_once() -> None:
    draw = np.random.default_rng(0)
    numbers = {f"n{i}": draw.normal(size=100_000) for i in range(12)}
    words = {f"c{i}": draw.choice(["a", "b", "c", "d"], 100_000) for i in range(8)}
    data = table(**numbers, **words)
    kinds = {**dict.fromkeys(numbers, "numerical"), **dict.fromkeys(words, "categorical")}
    processor = fitted(data, **kinds)
    start = time.process_time()
    processor.encode(data)
    assert time.process_time() - start < 4  # about 0.5 s on one core; rows one by one take minutes


# ---- any frame -----------------------------------------------------------------------------------

CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.dates(),
    st.datetimes(),
    st.decimals(allow_nan=False),  # a signalling NaN raises whatever is done with it
    st.sampled_from(["1", "1.0", "-2.", "2020-01-31", "yes", "inf", " ", "1/2/2020"]),
    st.lists(st.integers(), max_size=2),
)


@given(
    columns=st.integers(1, 12).flatmap(
        lambda n: st.tuples(
            *[st.lists(CELLS, min_size=n, max_size=n) for _ in range(4)],
        )
    ),
    scaling=st.sampled_from(SCALINGS),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_frame_gives_finite_rows_in_order(columns: Any, scaling: Any) -> None:
    names = ("numerical", "categorical", "datetime", "boolean")
    frame = pd.DataFrame(
        {name: objects(*cells) for name, cells in zip(names, columns, strict=True)}
    )
    data = Table(frame, Path())
    processor = fitted(data, TableConfig(scaling=scaling), **{name: name for name in names})
    encoded = processor.encode(data)
    assert len(encoded.present) == len(data)
    assert np.isfinite(encoded.arrays["numerical"]).all()
    assert (encoded.arrays["categorical"] >= 0).all()
    bad = [(cell.row, cell.column) for cell in encoded.bad]
    for row in range(len(data)):
        alone = processor.encode(data.take(np.array([row])))
        for name, array in encoded.arrays.items():
            np.testing.assert_array_equal(alone.arrays[name][0], array[row])
        assert {cell.column for cell in alone.bad} == {column for at, column in bad if at == row}
