"""Regression: standardised inside, the label's own scale outside."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mm_core.api import LabelError, MetricError, State, TrainingError
from mm_core.builtin.configs import RegressionConfig
from mm_core.builtin.tasks.regression import Regression


def frame(values: Any) -> pd.DataFrame:
    return pd.DataFrame({"y": values})


def learned(values: Any) -> Regression:
    task = Regression(RegressionConfig(), ["y"])
    task.learn(frame(values))
    return task


@pytest.mark.parametrize(
    "values",
    [
        [1e6, 1e6 + 1, 1e6 + 5],
        [-3, 0, 12],
        ["1.5", "2", "-7"],
        pd.Series([1, 2, 4], dtype="Int64"),
        pd.Categorical([3, 1, 2]),
        [1e-9, 2e-9, 4e-9],
    ],
    ids=str,
)
def test_scale_is_learned_and_undone_after_a_json_round_trip(values: Any) -> None:
    task = learned(values)
    encoded = task.encode(frame(values))["value"]
    assert encoded.dtype == np.float32
    assert abs(encoded.mean()) < 1e-6
    assert abs(encoded.std() - 1) < 1e-6
    state = State(values=json.loads(json.dumps(task.state().values)))
    again = Regression.from_state(RegressionConfig(), ["y"], state)
    decoded = again.decode({"logits": encoded[:, None]}, {})
    expected = pd.to_numeric(pd.Series(list(values))).to_numpy(dtype=float)
    spread = expected.max() - expected.min()
    np.testing.assert_allclose(decoded.answer["y"], expected, rtol=0, atol=1e-6 * spread)
    np.testing.assert_array_equal(decoded.views["values"], decoded.answer["y"])
    np.testing.assert_allclose(
        again.truth({"value": encoded}, "values"), expected, rtol=0, atol=1e-6 * spread
    )
    assert decoded.answer["y"].dtype == np.float64
    assert decoded.proba is None


@pytest.mark.parametrize("n", [0, 1])
def test_decode_of_no_row_and_of_one_row(n: int) -> None:  # B6: a 0-d squeeze
    decoded = learned([1.0, 3.0]).decode({"logits": np.zeros((n, 1), dtype=np.float32)}, {})
    assert decoded.answer["y"].tolist() == [2.0] * n
    assert decoded.views["values"].shape == (n,)


def test_outputs_that_are_not_finite_are_not_turned_into_numbers() -> None:  # B21
    with pytest.raises(TrainingError) as caught:
        learned([1.0, 3.0]).decode({"logits": np.array([[0.0], [np.nan], [np.inf]])}, {})
    assert caught.value.rows == (1, 2)


@pytest.mark.parametrize(
    ("values", "rows"),
    [
        ([1.0, np.nan, 2.0], (1,)),
        ([1.0, 2.0, np.inf], (2,)),
        ([1.0, "two", 3.0, "four"], (1, 3)),
        (["1", None, "3"], (1,)),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), (0, 1)),
    ],
)
def test_labels_that_are_no_numbers_name_their_rows(values: Any, rows: tuple[int, ...]) -> None:
    for call in (Regression(RegressionConfig(), ["y"]).learn, learned([1.0, 2.0]).encode):
        with pytest.raises(LabelError) as caught:
            call(frame(values))
        assert caught.value.rows == rows
        assert caught.value.column == "y"
        assert caught.value.remedy


@pytest.mark.parametrize("values", [[2.0, 2.0], [5.0], []])
def test_constant_label(values: list[float]) -> None:
    with pytest.raises(LabelError) as caught:
        learned(values)
    assert caught.value.column == "y"


def test_loss_is_weighted_squared_error() -> None:
    task = learned([1.0, 3.0])
    logits = torch.tensor([[1.0], [0.0], [2.0]])
    targets = {"value": torch.tensor([0.0, 5.0, 0.0])}
    assert task.loss(logits, targets, None) == pytest.approx(10.0)
    assert task.loss(logits, targets, torch.tensor([1.0, 0.0, 1.0])) == pytest.approx(2.5)
    assert task.loss(logits[:1], {"value": torch.tensor([0.0])}, None) == pytest.approx(1.0)


def test_needs_strata_and_width() -> None:
    task = learned([1.0, 3.0])
    assert task.output_dim == 1
    assert task.strata(task.encode(frame([1.0]))) is None
    with pytest.raises(MetricError):
        task.truth({"value": np.zeros(1)}, "labels")
