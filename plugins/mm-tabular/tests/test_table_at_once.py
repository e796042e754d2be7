"""Plain columns are read together: bit for bit what one by one gives, and faster."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_tabular.configs import TableConfig
from mm_tabular.table import TableProcessor

from mm_core.api import BadCell, Encoded, Field, Table

SCALINGS = ("quantile", "robust", "standard")


def table(**columns: Any) -> Table:
    return Table(pd.DataFrame(columns), Path())


def fitted(data: Table, config: TableConfig | None = None, **kinds: str) -> TableProcessor:
    fields = [Field(column, kind) for column, kind in kinds.items()]
    processor = TableProcessor(config or TableConfig(), fields)
    processor.fit(data)
    return processor


def assert_same(one: Encoded, other: Encoded) -> None:
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        assert array.dtype == other.arrays[name].dtype
        np.testing.assert_array_equal(array, other.arrays[name])
    np.testing.assert_array_equal(one.present, other.present)
    assert one.bad == other.bad


def plain_table(n_rows: int, n_columns: int) -> Table:
    draw = np.random.default_rng(0)
    dtypes = (np.float64, np.int64, np.bool_, np.float32, np.uint8, np.uint64, np.float16)
    values = {
        f"n{i}": (draw.normal(size=n_rows) * 50).astype(np.int64).astype(dtypes[i % len(dtypes)])
        if i % 3
        else draw.normal(size=n_rows)
        for i in range(n_columns)
    }
    frame = pd.DataFrame(values)
    frame.loc[1, "n0"] = np.nan
    frame.loc[2, "n3"] = -np.inf
    frame.loc[3, "n6"] = 1e300
    return Table(frame, Path())


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("rows", [slice(None), slice(1, 2)])
def test_plain_columns_read_at_once_are_bit_identical_to_one_by_one(
    scaling: Any, rows: slice
) -> None:
    data = plain_table(60, 21)
    kinds = dict.fromkeys(reversed(data.frame.columns), "numerical")
    processor = fitted(data, TableConfig(scaling=scaling), **kinds)
    alone = Table(data.frame.astype(object), Path())
    one_by_one = fitted(alone, TableConfig(scaling=scaling), **kinds)
    for name, array in processor.state().arrays.items():
        np.testing.assert_array_equal(array, one_by_one.state().arrays[name])
    probe = Table(data.frame.iloc[rows].reset_index(drop=True), Path())
    probe_alone = Table(alone.frame.iloc[rows].reset_index(drop=True), Path())
    assert_same(processor.encode(probe), one_by_one.encode(probe_alone))


def test_plain_columns_between_others_keep_their_places() -> None:
    data = table(
        a=[1.0, 2.0], d=["2020-01-31", "2021-06-30"], b=[5, 7], s=["1.5", "x"], c=[True, False]
    )
    kinds = dict.fromkeys("absc", "numerical") | {"d": "datetime"}
    order = {name: kinds[name] for name in "adbsc"}
    processor = fitted(data, **order)
    encoded = processor.encode(data)
    names = processor.info["numerical_features"]
    assert encoded.bad == [BadCell(1, "s", "'x'", "not a number")]
    for name, kind in order.items():
        alone = fitted(data, **{name: kind}).encode(data).arrays
        places = [i for i, feature in enumerate(names) if feature.split(".")[0] == name]
        np.testing.assert_array_equal(encoded.arrays["numerical"][:, places], alone["numerical"])


def test_one_row_of_many_plain_columns_costs_little() -> None:
    data = plain_table(50, 500)
    processor = fitted(data, **dict.fromkeys(data.frame.columns, "numerical"))
    plain = data.take(np.array([7]))
    alone = Table(plain.frame.astype("Float64"), Path())
    assert_same(processor.encode(plain), processor.encode(alone))
    assert _seconds(processor, plain) < _seconds(processor, alone) / 2


def _seconds(processor: TableProcessor, data: Table) -> float:
    """The fastest of a few encodings."""
    spans = []
    for _ in range(5):
        start = time.process_time()
        processor.encode(data)
        spans.append(time.process_time() - start)
    return min(spans)
