"""Class weights and sample weights: what they are, and that they count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, DataError, MMError, Table, Task
from mm_core.builtin.configs import MulticlassConfig, RegressionConfig
from mm_core.builtin.tasks.multiclass import Multiclass
from mm_core.builtin.tasks.regression import Regression
from mm_core.data.split import split_rows
from mm_core.recipe.overrides import read_overrides
from mm_core.recipe.training import TrainingConfig
from mm_core.training.row_weights import row_weights, weight_column


def learned(values: list[Any]) -> tuple[Task, dict[str, Any]]:
    frame = pd.DataFrame({"y": values})
    task = Multiclass(MulticlassConfig(), ["y"])
    task.learn(frame)
    return task, task.encode(frame)


def weights(values: list[Any], scheme: Any, own: Any = None) -> list[float]:
    task, targets = learned(values)
    found = row_weights(own, scheme, task, targets)
    assert found is not None
    assert found.mean() == pytest.approx(1.0)
    assert found.dtype == np.float32
    return (found / found[0]).tolist()


def test_balanced_classes_weigh_the_same_together() -> None:
    assert weights(["a", "b", "b", "b"], "balanced") == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3])


def test_effective_numbers_lie_between_balanced_and_none() -> None:
    values = ["a"] * 2 + ["b"] * 8
    beta = 0.9
    expected = (1 - beta**2) / (1 - beta**8)
    found = weights(values, "effective_number")
    assert found[-1] == pytest.approx(expected, rel=1e-5)
    assert weights(values, "balanced")[-1] < found[-1] < 1


@pytest.mark.parametrize(
    ("values", "scheme"),
    [
        (["a", "b", "c"], {"b": 3}),
        ([0, 1, 2], {"1": 3}),
        ([0.5, 1.0, 2.0], {"1.0": 3}),
    ],
)
def test_named_classes_and_1_for_the_others(values: list[Any], scheme: dict[str, float]) -> None:
    assert weights(values, scheme) == pytest.approx([1, 3, 1])


def test_weights_of_rows_and_classes_multiply() -> None:
    own = np.array([1, 2, 1], dtype=np.float32)
    assert weights(["a", "b", "b"], "balanced", own) == pytest.approx([1, 1, 0.5])
    task, targets = learned(["a", "b"])
    assert row_weights(None, None, task, targets) is None


def test_what_cannot_be_weighted_is_refused() -> None:
    task, targets = learned(["a", "b"])
    with pytest.raises(ConfigError, match="'c', which does not occur") as caught:
        row_weights(None, {"c": 2.0}, task, targets)
    assert "a, b" in (caught.value.remedy or "")
    numbers = Regression(RegressionConfig(), ["y"])
    frame = pd.DataFrame({"y": [1.0, 2.0]})
    numbers.learn(frame)
    with pytest.raises(ConfigError, match="class_weights"):
        row_weights(None, "balanced", numbers, numbers.encode(frame))


def rare() -> pd.DataFrame:
    """One row in ten is "yes", and the column does not tell for sure."""
    rng = np.random.default_rng(0)
    y = rng.random(400) < 0.1
    return pd.DataFrame({"x": rng.normal(size=400) + 1.5 * y, "y": np.where(y, "yes", "no")})


def recall(**settings: Any) -> float:
    frame = rare()
    given = {"training.epochs": 6, "training.head_learning_rate": 1e-2, "task.threshold": 0.5}
    given |= {f"training.{key}": value for key, value in settings.items()}
    predictor = MultiModalPredictor(
        "y", eval_metric="balanced_accuracy", hyperparameters=given, verbosity=0
    ).fit(frame)
    return float(predictor.evaluate(frame, "recall")["recall"])


def test_class_weights_find_the_rare_class() -> None:
    assert recall() < 0.4
    assert recall(class_weights="balanced") > 0.6
    assert recall(class_weights={"yes": 9, "no": 1}) > 0.6


def test_a_recipe_reads_class_weights_or_says_why_not() -> None:
    for wrong, says in (("balnced", "or 'effective_number'"), ({"yes": -1}, "greater than 0")):
        with pytest.raises(ConfigError, match=r"^training\.class_weights = .*" + says) as caught:
            recall(class_weights=wrong)
        assert "class_weights: how much rows count" in (caught.value.remedy or "")
    with pytest.raises(ConfigError, match=r"^training\.class_weights = .*finite"):
        recall(class_weights={"yes": float("inf")})


@pytest.mark.parametrize("factor", [1e-320, 1e39, 1e300])
def test_only_the_ratio_of_weights_counts(factor: float) -> None:
    own = np.array([1.0, 2.0, 1.0]) * factor
    assert weights(["a", "b", "b"], None, own) == pytest.approx([1, 2, 1], rel=1e-3)
    expected = pytest.approx([1, 6, 3], rel=1e-3)
    assert weights(["a", "b", "b"], {"a": factor, "b": 3 * factor}, own) == expected


def test_rows_of_no_weight_stay_so_beside_class_weights() -> None:
    own = np.array([1.0, 0.0, 1.0])
    assert weights(["a", "b", "b"], {"b": 2}, own) == pytest.approx([1, 0, 2])


@pytest.mark.parametrize("wrong", [np.inf, -1.0, np.nan, pytest.param(10**400, id="huge"), 0.0])
def test_a_column_of_weights_is_finite_and_positive_somewhere(wrong: Any) -> None:
    column = pd.Series([0.0, wrong], dtype=object)
    with pytest.raises(DataError, match="'w'") as caught:
        weight_column(Table(pd.DataFrame({"w": column}), Path()), "w")
    assert caught.value.column == "w"


@pytest.mark.parametrize("cell", [pd.Timestamp("2026-01-01"), pd.Timedelta("1h"), 1 + 0j])
def test_dates_durations_and_complex_numbers_are_no_weights(cell: Any) -> None:
    table = Table(pd.DataFrame({"w": [cell, cell]}), Path())
    with pytest.raises(DataError, match="weights are numbers"):
        weight_column(table, "w")


def test_huge_weights_train_as_small_ones_do() -> None:
    frame = rare().assign(w=lambda rows: np.where(rows["y"] == "yes", 9.0, 1.0))
    settings = {"training.epochs": 1}
    answers = []
    for factor in (1.0, 2.0**130):  # beyond float32
        predictor = MultiModalPredictor("y", hyperparameters=settings, verbosity=0)
        predictor.fit(frame.assign(w=frame["w"] * factor), sample_weight="w")
        answers.append(predictor.predict_proba(frame))
    np.testing.assert_allclose(*answers, atol=1e-5)


def test_weights_on_held_out_rows_alone_are_refused() -> None:
    frame = rare().assign(w=0.0)
    _, held = split_rows(len(frame), None, None, seed=0)
    frame.loc[held, "w"] = 1.0
    predictor = MultiModalPredictor("x", problem_type="regression", verbosity=0)
    with pytest.raises(DataError, match="weight column 'w' is 0 in all 320 rows") as caught:
        predictor.fit(frame, sample_weight="w")
    assert caught.value.column == "w"
    assert "tuning_data=" in (caught.value.remedy or "")
    settings = {"training.epochs": 1}
    predictor.fit(frame, frame, sample_weight="w", hyperparameters=settings)
    assert np.isfinite(predictor.history["loss"]).all()


@pytest.mark.parametrize(
    ("values", "scheme"),
    [
        ([0.0, 1.0], {0: 1, 1: 3}),
        ([0, 1], {0.0: 1, 1.0: 3}),
        ([False, True], {0: 1, 1: 3}),
        ([0, 1], {False: 1, True: 3}),
        (["0", "1"], {"0": 1, "1": 3}),
    ],
)
def test_classes_that_are_numbers_are_named_by_their_value(values, scheme) -> None:
    read = TrainingConfig.model_validate({"class_weights": scheme}).class_weights
    assert weights(values, read) == pytest.approx([1, 3])


def test_a_class_is_named_once() -> None:
    with pytest.raises(ConfigError, match=r"names the class 0 twice: as '0' and as '0.0'"):
        weights([0, 1], {"0": 2, "0.0": 3})


@pytest.mark.parametrize("name", ["nan", "inf", "1e999", "[0]", "null", "zero", "00"])
def test_what_is_no_class_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="does not occur"):
        weights([0, 1], {name: 2})


def test_a_plan_refuses_what_a_fit_would() -> None:
    frame = pd.DataFrame({"x": range(40), "y": ["a", "b"] * 20, 4: [1.0] * 39 + [-1.0]})

    def plan(sample_weight: Any = None, **settings: Any) -> None:
        MultiModalPredictor("y", hyperparameters=settings).plan(frame, sample_weight=sample_weight)

    with pytest.raises(ConfigError, match="names the class 'c'"):
        plan(**{"training.class_weights": {"c": 2}})
    with pytest.raises(MMError, match="nope"):
        plan(**{"task.positive": "nope"})
    with pytest.raises(DataError, match="negative weights") as caught:
        plan(sample_weight=4)  # a name that is no text, as of the label
    assert caught.value.rows == (39,)


def test_a_weight_column_may_have_a_number_for_a_name() -> None:
    frame = pd.DataFrame({"x": range(40), "y": ["a", "b"] * 20, 4: [1.0] * 40})
    settings = {"training.epochs": 1, "backbones.tabular.width": 16}
    predictor = MultiModalPredictor("y", hyperparameters=settings, verbosity=0)
    predictor.fit(frame, sample_weight=4)
    assert predictor.recipe.data.sample_weight == "4"
    assert [plan.name for plan in predictor.recipe.columns.columns] == ["x"]


def test_a_class_may_have_a_dot_in_its_name() -> None:
    read = read_overrides({"training.class_weights.v1.0": 3, "training.class_weights.v2": 2})
    assert read.training == {"class_weights": {"v1.0": 3, "v2": 2}}
