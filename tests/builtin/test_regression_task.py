"""Regression: standardised inside, the label's own scale outside."""

from __future__ import annotations

import json
import warnings
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mm_core.api import Criterion, LabelError, MetricError, State, TrainingError
from mm_core.builtin.configs import RegressionConfig
from mm_core.builtin.losses.configs import MSEConfig
from mm_core.builtin.losses.values import MSE
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
        again.truth(again.encode(frame(values)), "values"), expected, rtol=0, atol=0
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
        (pd.to_timedelta([1, 2], unit="D"), (0, 1)),
        ([1 + 2j, 3.0], (0, 1)),
        (pd.Series([1, [2], 3, b"4"], dtype=object), (1, 3)),
        (pd.Series(["1", "\ud800"], dtype=object), (1,)),
        ([10**400, 1, 2], (0,)),
        ([1, 2, Decimal("1e999")], (2,)),
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


@pytest.mark.parametrize(
    "values",
    [
        [Decimal("1.5"), Decimal("2.25"), Decimal("-3")],
        [Fraction(1, 4), 2, 0.5],
        pd.Series([2**63, 2**63 + 4096, 2**64 - 4096], dtype="uint64"),
        [2**64, 1, 2],
        pd.Series([1.5, 2.5, 4.5], dtype="Float64"),
        pd.Series([1.5, 2.5, 4.5]).iloc[::-1],
    ],
    ids=str,
)
def test_numbers_of_any_type_are_exact_in_the_truth(values: Any) -> None:
    truth = learned(values).truth(learned(values).encode(frame(values)), "values")
    assert truth.dtype == np.float64
    assert truth.tolist() == [float(value) for value in values]


def test_a_true_zero_stays_zero() -> None:
    from mm_core.builtin.metrics.regression import mape

    task = learned([0.0, 0.1, 0.7, 1e6])
    targets = task.encode(frame([0.0, 0.1]))
    assert task.truth(targets, "values").tolist() == [0.0, 0.1]
    score = mape()
    score.update(task.truth(targets, "values"), np.array([1.0, 2.0]))
    with pytest.raises(MetricError, match="true value"):
        score.compute()


def test_no_target_needs_float64_on_the_device() -> None:
    encoded = learned([1.0, 3.0]).encode(frame([1.0]))
    assert {array.dtype for array in encoded.values()} == {
        np.dtype(np.float32),
        np.dtype(np.int64),
    }


@pytest.mark.parametrize("scale", [1e200, 1e-200, 1e308])
def test_a_scale_beyond_computing_is_refused(scale: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(LabelError, match="scale") as caught:
            learned([scale, -scale, scale / 2])
    assert caught.value.column == "y"
    assert "unit" in (caught.value.remedy or "")


def test_one_row_left_for_training_is_said_as_such() -> None:
    with pytest.raises(LabelError, match="one row is left for training") as caught:
        learned([5.0])
    assert "tuning_data" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pd.to_timedelta([1, 2], unit="D"), "total_seconds"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), "to_datetime"),
        (pd.Series([date(2020, 1, 1), date(2020, 1, 2)], dtype=object), "to_datetime"),
        (pd.Series(pd.period_range("2020", "2021", freq="Y")), "to_datetime"),
    ],
)
def test_dates_and_durations_come_with_their_conversion_which_works(values: Any, said: str) -> None:
    with pytest.raises(LabelError) as caught:
        learned(values)
    remedy = caught.value.remedy or ""
    assert said in remedy
    code = remedy.split("number: ")[-1].split("such as ")[-1].split(", or")[0]
    assert learned(eval(code, {"pd": pd, "data": frame(values)})).std > 0


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["60%", "7.5 %", "-2%"], [60, 7.5, -2]),
        (["\u20ac9", "\u20ac 12.5", "\u20ac3"], [9, 12.5, 3]),
        (["1,132", "343", "5,764"], [1132, 343, 5764]),
        (["1,132", "343", "1,000,764.5"], [1132, 343, 1000764.5]),
        (["1,132", 343.5, "5,764"], [1132, 343.5, 5764]),
        (["$1,131.57", "$1,132", "$944"], [1131.57, 1132, 944]),
        (["101,84 \u20ac", "1.131,57 \u20ac", "7 \u20ac"], [101.84, 1131.57, 7]),
        (["EUR 101,8", "EUR 1,132"], [101.8, 1.132]),
        (["12,5%", "7%", "0,25 %"], [12.5, 7, 0.25]),
        (["12,5", "1,132", "0,5", "1.234"], [12.5, 1.132, 0.5, 1234]),
        (["1\u00a0132,5", "7", "12,5"], [1132.5, 7, 12.5]),
    ],
    ids=str,
)
def test_numbers_in_another_form_come_with_their_conversion_which_works(
    cells: list[Any], numbers: list[float]
) -> None:
    with pytest.raises(LabelError) as caught:
        learned(pd.Series(cells, dtype=object))
    code = (caught.value.remedy or "").removeprefix("write the numbers alone: ").split(", or")[0]
    df = frame(pd.Series(cells, dtype=object))
    exec(code, {"df": df, "pd": pd})
    assert df["y"].tolist() == numbers


@pytest.mark.parametrize(
    ("cells", "right"),
    [
        (["1,132", "343", "5,764"], False),
        (["12,5", "343", "0,764"], True),
        (["12,5", "343.5", "0,764"], False),
        (["12,5 \u20ac", "343 \u20ac"], False),
        (["1,132"] * 50 + ["12,5"], False),
        (["12,5", "1,132.5"], False),
        (["12,5", "0,764", "0,1", "about 3"], False),
    ],
    ids=lambda cells: str(cells)[:30],
)
def test_decimal_commas_of_a_file_are_advised_where_they_are_read_so(
    cells: list[str], right: bool
) -> None:
    with pytest.raises(LabelError) as caught:
        learned(cells)
    assert ("--csv decimal=," in (caught.value.remedy or "")) == right


def test_cells_that_are_no_numbers_in_any_form_are_named_before_the_conversion() -> None:
    with pytest.raises(LabelError, match="first correct or drop 'about 3'; write the numbers"):
        learned(["1,132", "5,764", "about 3", "7"])
    with pytest.raises(LabelError, match=r"in one unit.*\$, \u20ac"):
        learned(["$1,132", "\u20ac 5"])
    with pytest.raises(LabelError, match=r"in one unit.*%, and '0.5' without"):
        learned(["5%", "0.5", "7%"])
    with pytest.raises(LabelError, match=r"'1.234.567' has points between thousands, and '1.5'"):
        learned(["1.234.567", "1.5", "2.5"])
    with pytest.raises(LabelError, match=r"'1,5' has a decimal comma, and '0.132' speaks"):
        learned(["1,5", "0.132", "2,5"])


def test_a_label_of_many_blanks_is_told_at_once() -> None:
    with pytest.raises(LabelError, match="not a number in 1 row"):
        learned([" " * 3000 + "x", "1", "2"])


@pytest.mark.parametrize(
    "values",
    [
        {"mean": 0.0},
        {"std": 1.0},
        {"mean": "0", "std": 1.0},
        {"mean": float("nan"), "std": 1.0},
        {"mean": 0.0, "std": 0.0},
        {"mean": 0.0, "std": -1.0},
        {"mean": 0.0, "std": float("inf")},
        {"mean": None, "std": 1.0},
        {"mean": True, "std": 1.0},
    ],
    ids=str,
)
def test_an_altered_state_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Regression.from_state(RegressionConfig(), ["y"], State(values=values))


def test_loss_is_weighted_squared_error() -> None:
    task = learned([1.0, 3.0])
    task.criterion = Criterion(MSE(MSEConfig()), "value")
    logits = torch.tensor([[1.0], [0.0], [2.0]])
    targets = {"value": torch.tensor([0.0, 5.0, 0.0])}
    assert task.loss(logits, targets, None) == pytest.approx(10.0)
    weight = torch.tensor([1.0, 0.0, 2.0])
    assert task.loss(logits, targets, weight) == pytest.approx(3.0)
    last = {"value": torch.tensor([0.0])}  # a weight counts in a batch of one row too
    assert task.loss(logits[2:], last, weight[2:]) == pytest.approx(8.0)
    assert task.loss(logits[:1], {"value": torch.tensor([0.0])}, None) == pytest.approx(1.0)


def test_needs_strata_and_width() -> None:
    task = learned([1.0, 3.0])
    assert task.output_dim == 1
    assert task.strata(task.encode(frame([1.0]))) is None
    with pytest.raises(MetricError):
        task.truth({"value": np.zeros(1)}, "labels")
