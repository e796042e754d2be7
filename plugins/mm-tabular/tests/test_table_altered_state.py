"""Kinds, formats and states that are none are refused when the processor is built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_tabular.configs import TableConfig
from mm_tabular.table import TableProcessor

from mm_core.api import ConfigError, Field, State, Table

SCALINGS = ("quantile", "robust", "standard")


def table(**columns: Any) -> Table:
    return Table(pd.DataFrame(columns), Path())


def fitted(data: Table, config: TableConfig | None = None, **kinds: str) -> TableProcessor:
    fields = [Field(column, kind) for column, kind in kinds.items()]
    processor = TableProcessor(config or TableConfig(), fields)
    processor.fit(data)
    return processor


MIXED = table(
    n=[1.0, 2.0, np.nan, 4.0],
    s=["1.5", "2.5", None, ""],
    c=["x", "y", "x", "z"],
    d=["2020-01-31", None, "2020-02-01T12:00:00", "2021-07-01"],
    b=[True, False, None, True],
)
KINDS = {"n": "numerical", "s": "numerical", "c": "categorical", "d": "datetime", "b": "boolean"}


def test_a_kind_that_is_none_of_the_tables_is_refused() -> None:
    fields = [Field("n", "numerical"), Field("money", "currency")]
    for build in (
        lambda: TableProcessor(TableConfig(), fields),
        lambda: TableProcessor.from_state(TableConfig(), fields, State()),
    ):
        with pytest.raises(ConfigError, match="money") as caught:
            build()
        assert caught.value.plugin == "tabular:table"
        assert caught.value.column == "money"
        assert "numerical" in (caught.value.remedy or "")


def test_a_date_format_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="date_formats") as caught:
        fitted(table(d=["2020-01-31"]), TableConfig(date_formats={"d": "%Q"}), d="datetime")
    assert caught.value.column == "d"


def _of(column: str, **values: Any) -> Callable[[State], object]:
    return lambda state: state.values["columns"][column].update(values)


@pytest.mark.parametrize(
    "alter",
    [
        lambda state: state.values.pop("columns"),
        lambda state: state.values.update(columns=["n", "c", "d", "b", "s"]),
        lambda state: state.values["columns"].pop("c"),
        lambda state: state.values["columns"].update(more={}),
        lambda state: state.values["columns"].update(c=None),
        _of("n", form="%Y"),
        _of("c", keys=["x", "y"]),
        _of("c", keys=["x", "x", "y"]),
        _of("c", keys=["x", "y", 3]),
        _of("c", keys="xyz"),
        _of("c", counts=[3, 1, -1]),
        _of("c", counts=[3, 1, "1"]),
        _of("c", counts=None),
        _of("b", counts=[1, 2, 3]),
        _of("b", counts=[1.5, 2]),
        _of("d", form="%Q"),
        _of("d", form=None),
        _of("d", cycles=["season", "year"]),
        _of("d", cycles=["week", "season"]),
        _of("d", cycles="season"),
    ],
)
def test_an_altered_state_is_refused(alter: Callable[[State], object]) -> None:
    processor = fitted(MIXED, **KINDS)
    state = processor.state()
    TableProcessor.from_state(TableConfig(), processor.fields, state)
    alter(state)
    with pytest.raises((KeyError, TypeError, ValueError)):
        TableProcessor.from_state(TableConfig(), processor.fields, state)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize(
    "alter",
    [
        lambda array: array[:-1],
        lambda array: array[None],
        lambda array: array.astype(np.float32),
        lambda array: array.astype("str"),
        lambda array: np.where(np.arange(array.size).reshape(array.shape) == 1, np.nan, array),
        lambda array: -array - 1,
    ],
)
def test_altered_scaling_is_refused(scaling: Any, alter: Callable[[Any], Any]) -> None:
    config = TableConfig(scaling=scaling)
    processor = fitted(MIXED, config, **KINDS)
    state = processor.state()
    name = "values" if scaling == "quantile" else "width"
    for arrays in (
        {**state.arrays, name: alter(state.arrays[name])},
        {**state.arrays, "more": state.arrays[name]},
        {name: state.arrays[name]},
    ):
        with pytest.raises((KeyError, TypeError, ValueError)):
            TableProcessor.from_state(config, processor.fields, State(state.values, arrays))
