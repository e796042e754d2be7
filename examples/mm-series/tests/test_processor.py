"""Cells to points: places, gaps, scaling, cuts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_core.api import Field, InputBatch, MMWarning, Table

from mm_series.configs import PointsConfig
from mm_series.processor import PointsProcessor


def table(**columns: Any) -> Table:
    """A table with these columns."""
    return Table(pd.DataFrame({name: pd.Series(cells) for name, cells in columns.items()}), Path())


def fitted(train: Table, **settings: Any) -> PointsProcessor:
    """Fitted on all columns."""
    fields = [Field(str(name), "array") for name in train.frame]
    processor = PointsProcessor(PointsConfig(**settings), fields)
    processor.fit(train)
    return processor


def all_rows(processor: PointsProcessor, of: Table, augment: Any = None) -> InputBatch:
    """All rows in one batch."""
    return processor.batch(processor.encode(of), np.arange(len(of)), augment)


def test_points_stand_in_their_places_and_masks_say_which_are_there() -> None:
    data = table(a=[[1.0, None, 3.0], "5;6", None], b=["[2, 4, 6, 8]", None, None])
    processor = fitted(data, clip=1e9)
    batch = all_rows(processor, data)
    assert batch.present.tolist() == [True, True, False]
    assert batch.arrays["inside"].sum(axis=2).tolist() == [[3, 4], [2, 0], [0, 0]]
    assert batch.arrays["known"][0, 0].tolist() == [True, False, True, False]
    values = batch.arrays["values"]
    mean, std = np.mean([1, 3, 5, 6]), np.std([1, 3, 5, 6])
    expected = np.array([(1 - mean) / std, 0, (3 - mean) / std, 0])
    np.testing.assert_allclose(values[0, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(values[1, 0, :2] * std + mean, [5, 6], rtol=1e-6)
    np.testing.assert_allclose(values[0, 1] * np.sqrt(5) + 5, [2, 4, 6, 8], rtol=1e-6)
    assert not values[2].any()


def test_scaling_is_learned_on_training_rows_only_and_by_column() -> None:
    processor = fitted(table(a=[[0.0, 2.0]] * 3, b=[[1000.0, 3000.0]] * 3))
    values = all_rows(processor, table(a=[[1.0, 11.0]], b=[[2000.0, 12000.0]])).arrays["values"]
    np.testing.assert_allclose(values, [[[0.0, 10.0], [0.0, 10.0]]])


def test_scaling_by_series_leaves_the_shape() -> None:
    wave = np.sin(np.arange(20.0))
    gap = np.where(np.arange(20) == 7, np.nan, wave)
    data = table(a=[wave, 100 * wave - 3000, gap, np.full(20, 7.0), []])
    values = all_rows(fitted(data, scaling="series"), data).arrays["values"][:, 0]
    np.testing.assert_allclose(values[1], values[0], atol=1e-5)
    np.testing.assert_allclose(values[0], (wave - wave.mean()) / wave.std(), rtol=1e-5)
    assert values[2, 7] == 0
    known = gap[~np.isnan(gap)]
    np.testing.assert_allclose(values[2, 0], (known[0] - known.mean()) / known.std(), rtol=1e-5)
    assert not values[3:].any()


@pytest.mark.parametrize(("keep", "expected"), [("first", [0, 1, 2]), ("last", [7, 8, 9])])
def test_long_series_are_cut_and_fit_says_so(keep: Any, expected: list[int]) -> None:
    data = table(a=[np.arange(10.0), np.arange(3.0)])
    with pytest.warns(MMWarning, match=rf"'a': 1 series are longer than 3 .* the {keep} 3"):
        processor = fitted(data, max_length=3, keep=keep)
    values = all_rows(processor, data).arrays["values"][0, 0]
    np.testing.assert_allclose(values * processor.std[0] + processor.mean[0], expected, atol=1e-6)


def test_outliers_are_clipped() -> None:
    processor = fitted(table(a=[[-1.0, 1.0]] * 5), clip=5)
    assert all_rows(processor, table(a=[[1e29, -1e29, 2]])).arrays["values"].tolist() == [
        [[5.0, -5.0, 2.0]]
    ]


def test_cells_without_a_number_are_absent_and_not_broken() -> None:
    data = table(a=[[], "[]", "[null]", [np.nan, None], None, [1.0]])
    processor = fitted(data)
    encoded = processor.encode(data)
    assert encoded.bad == []
    assert encoded.present.tolist() == [False] * 5 + [True]


def test_lengths_are_those_of_the_longest_series_of_a_row() -> None:
    data = table(a=[[1.0], "1;2;3", None], b=[[1.0, 2.0], None, None])
    lengths = fitted(data).encode(data).lengths
    assert lengths is not None
    assert lengths.tolist() == [2, 3, 0]


def test_a_broken_cell_says_why() -> None:
    data = table(a=[[1.0, 2.0], "up", ["a"], [[1], [2, 3]], "[1, 1e999]", [[1, 2]], [True]])
    bad = fitted(data).encode(data).bad
    assert [cell.row for cell in bad] == [1, 2, 3, 4, 5, 6]
    assert bad[0].reason == "no series of numbers"
    assert "lists in a list" in bad[2].reason
    assert "infinite" in bad[3].reason


def test_jitter_moves_known_points_in_training_only() -> None:
    data = table(a=[[1.0, None, 3.0], [2.0]])
    processor = fitted(data, jitter=0.5)
    plain = all_rows(processor, data).arrays["values"]
    moved = all_rows(processor, data, np.random.default_rng(0)).arrays["values"]
    known = all_rows(processor, data).arrays["known"]
    assert (moved[known] != plain[known]).all()
    assert not moved[~known].any()


def test_no_rows_and_no_points_are_batches_too() -> None:
    data = table(a=[[1.0, 2.0], None])
    processor = fitted(data)
    encoded = processor.encode(data)
    assert processor.batch(encoded, np.array([], dtype=np.int64)).arrays["values"].shape[0] == 0
    assert processor.batch(encoded, np.array([1])).arrays["values"].shape == (1, 1, 1)
    assert len(processor.encode(data.take(np.array([], dtype=np.int64))).present) == 0
