"""Temperature and threshold: set right on validation rows, kept, and used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, Decoded, MetricError, MMWarning, State, Task
from mm_core.builtin.configs import BinaryConfig, MulticlassConfig, MultilabelConfig
from mm_core.builtin.tasks.binary import Binary
from mm_core.builtin.tasks.multiclass import Multiclass
from mm_core.builtin.tasks.multilabel import Multilabel

RNG = np.random.default_rng(0)


def test_options_have_their_defaults_where_calibration_is_scored(small_table):
    predictor = MultiModalPredictor(
        problem_type="cut:cut",
        label="kind",
        hyperparameters={"training.epochs": 1},
        plugins=[Path(__file__).parent / "files" / "cut.py"],
        verbosity=0,
    )
    predictor.fit(small_table)
    assert len(predictor.predict(small_table, shift=1.0)) == len(small_table)


def binary(**settings: Any) -> Binary:
    task = Binary(BinaryConfig(**settings), ["y"])
    task.learn(pd.DataFrame({"y": ["no", "yes"]}))
    return task


def rows(n: int, share: float, factor: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Outputs of a model that is ``factor`` times too sure, and targets."""
    true = RNG.normal(size=n) * 1.5 + np.log(share / (1 - share))
    classes = (RNG.random(n) < 1 / (1 + np.exp(-true))).astype(np.int64)
    return {"logits": np.stack([0 * true, true * factor], axis=1)}, {"class": classes}


def by(name: str, targets: dict[str, Any]) -> Any:
    function = getattr(sk, name)
    return lambda decoded: function(targets["class"], decoded.views["labels"])


def constant(decoded: Decoded) -> float:
    """Of a metric that reads no labels."""
    return 0.7


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_the_temperature_undoes_what_is_too_sure_or_not_sure_enough(factor: float) -> None:
    outputs, targets = rows(4000, 0.5, factor)
    task = binary()
    before = task.decode(outputs, {})
    task.calibrate(outputs, {}, targets, constant)
    after = task.decode(outputs, {})
    assert task.calibration.temperature == pytest.approx(factor, rel=0.15)
    assert (after.answer == before.answer).all().all()
    left, right = (sk.log_loss(targets["class"], one.views["proba"]) for one in (before, after))
    assert right < left - 0.005 if factor != 1 else right <= left


def test_answers_that_are_all_right_do_not_become_certain() -> None:
    classes = np.arange(40) % 2
    outputs = {"logits": 4.0 * np.eye(2)[classes]}
    task = binary()
    task.calibrate(outputs, {}, {"class": classes}, constant)
    assert task.decode(outputs, {}).views["proba"].max() < 0.99


def test_few_rows_do_not_make_right_probabilities_worse() -> None:
    """Sharp and right: most of 20 rows are answered well, which says little about the others."""
    rng = np.random.default_rng(0)
    true = rng.normal(size=(60, 20)) * 6
    seen, unseen = (rng.random(true.shape) < 1 / (1 + np.exp(-true)) for _ in range(2))
    losses = []
    for logits, classes, others in zip(true, seen, unseen, strict=True):
        outputs = {"logits": np.stack([0 * logits, logits], axis=1)}
        task = binary()
        before = task.decode(outputs, {})
        task.calibrate(outputs, {}, {"class": classes.astype(np.int64)}, constant)
        after = task.decode(outputs, {})
        assert 0.6 < task.calibration.temperature < 2
        losses.append(
            [sk.log_loss(others, one.views["proba"], labels=[0, 1]) for one in (before, after)]
        )
    without, with_it = np.mean(losses, axis=0)
    assert with_it < 1.05 * without


def test_multiclass_and_multilabel_have_a_temperature() -> None:
    true = RNG.normal(size=(3000, 3)) * 1.5
    several = Multiclass(MulticlassConfig(), ["y"])
    several.learn(pd.DataFrame({"y": ["a", "b", "c"]}))
    noise = RNG.gumbel(size=true.shape)
    several.calibrate({"logits": 2 * true}, {}, {"class": (true + noise).argmax(axis=1)}, constant)
    assert several.calibration.temperature == pytest.approx(2, rel=0.15)
    assert "threshold" not in several.state().values
    labels = Multilabel(MultilabelConfig(), ["a", "b", "c"])
    labels.learn(pd.DataFrame(np.eye(3, dtype=int), columns=list("abc")))
    found = (RNG.random(true.shape) < 1 / (1 + np.exp(-true))).astype(np.float32)
    labels.calibrate({"logits": 2 * true}, {}, {"labels": found}, constant)
    assert labels.calibration.temperature == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize("metric", ["f1_score", "balanced_accuracy_score", "matthews_corrcoef"])
def test_the_threshold_is_best_for_a_metric_of_labels(metric: str) -> None:
    outputs, targets = rows(2000, 0.1, 1.0)
    fresh_outputs, fresh_targets = rows(20000, 0.1, 1.0)
    task = binary()
    plain = by(metric, fresh_targets)(task.decode(fresh_outputs, {}))
    task.calibrate(outputs, {}, targets, by(metric, targets))
    assert task.calibration.threshold < 0.4
    assert by(metric, fresh_targets)(task.decode(fresh_outputs, {})) > plain + 0.02


def test_the_threshold_stays_where_there_is_nothing_to_choose_by() -> None:
    outputs, targets = rows(2000, 0.1, 1.0)

    def undefined(decoded: Decoded) -> float:
        raise MetricError("not defined")

    task = binary()
    with pytest.warns(MMWarning, match="not defined") as told:
        task.calibrate(outputs, {}, targets, undefined)
    assert task.calibration.threshold == 0.5
    assert len(told) == 1
    few_outputs, few_targets = rows(40, 0.1, 1.0)
    for given, wanted, score in (
        (outputs, targets, constant),
        (outputs, targets, by("recall_score", targets)),  # best where all answers are yes
        (few_outputs, few_targets, by("f1_score", few_targets)),
    ):
        task = binary()
        task.calibrate(given, {}, wanted, score)
        assert task.calibration.threshold == 0.5


def test_thresholds_at_which_the_metric_is_not_defined_are_left_out() -> None:
    outputs, targets = rows(2000, 0.1, 1.0)
    f1 = by("f1_score", targets)

    def sometimes(decoded: Decoded) -> float:
        share = decoded.views["labels"].mean()
        if not 0.02 < share < 0.9 or 0.12 < share < 0.14:
            raise MetricError("not defined")
        return float(f1(decoded))

    whole, part = binary(), binary()
    whole.calibrate(outputs, {}, targets, f1)
    part.calibrate(outputs, {}, targets, sometimes)
    assert part.calibration.threshold == pytest.approx(whole.calibration.threshold, abs=0.05)


def test_what_ends_the_search_leaves_the_threshold_alone() -> None:
    def ending(decoded: Decoded) -> float:
        if 0 < decoded.views["labels"].mean() < 0.5:
            raise TimeoutError
        return 0.0

    outputs, targets = rows(2000, 0.1, 3.0)
    task = binary()
    with pytest.raises(TimeoutError):
        task.calibrate(outputs, {}, targets, ending)
    assert task.calibration.threshold == 0.5
    assert task.calibration.temperature != 1.0


def test_settings_switch_both_off() -> None:
    outputs, targets = rows(2000, 0.1, 3.0)
    task = binary(temperature=False, threshold=0.3)
    task.calibrate(outputs, {}, targets, by("f1_score", targets))
    assert (task.calibration.temperature, task.calibration.threshold) == (1.0, 0.3)
    proba = task.decode(outputs, {}).views["proba"][:, 1]
    assert (task.decode(outputs, {}).views["labels"] == (proba > 0.3)).all()


def test_states_of_before_calibration_are_read_and_altered_ones_refused() -> None:
    values = {"classes": ["no", "yes"], "kind": "str"}
    task = Binary.from_state(BinaryConfig(), ["y"], State(values=values))
    assert (task.calibration.temperature, task.calibration.threshold) == (1.0, 0.5)
    for wrong in ({"temperature": 0}, {"temperature": float("nan")}, {"threshold": 2}):
        with pytest.raises(ValueError, match="is not"):
            Binary.from_state(BinaryConfig(), ["y"], State(values=values | wrong))


@pytest.fixture(scope="module")
def rare() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    y = rng.random(600) < 0.15
    return pd.DataFrame({"x": rng.normal(size=600) + 1.3 * y, "y": np.where(y, "yes", "no")})


def fitted(frame: pd.DataFrame, metric: str, **settings: Any) -> MultiModalPredictor:
    given = {"training.epochs": 8, "training.head_learning_rate": 1e-2} | {
        f"task.{key}": value for key, value in settings.items()
    }
    return MultiModalPredictor(
        "y", eval_metric=metric, validation_metric="log_loss", hyperparameters=given, verbosity=0
    ).fit(frame)


def state(predictor: MultiModalPredictor) -> dict[str, Any]:
    assert predictor._fitted is not None
    task: Task = predictor._fitted.model.task
    return task.state().values


def test_a_fit_calibrates_and_a_saved_model_keeps_it(rare: pd.DataFrame, tmp_path: Any) -> None:
    plain = fitted(rare, "f1", temperature=False, threshold=0.5)
    predictor = fitted(rare, "f1")
    assert state(plain) | {"temperature": 1.0, "threshold": 0.5} == state(plain)
    assert state(predictor)["threshold"] < 0.45
    assert predictor.evaluate(rare)["f1"] > plain.evaluate(rare)["f1"] + 0.05
    again = MultiModalPredictor.load(predictor.save(tmp_path / "model"))
    assert state(again) == state(predictor)
    assert again.predict(rare).equals(predictor.predict(rare))
    # a metric of probabilities moves no threshold
    assert state(fitted(rare, "roc_auc"))["threshold"] == 0.5


def test_a_threshold_that_is_none_is_refused(rare: pd.DataFrame) -> None:
    for wrong in (1.5, "best"):
        with pytest.raises(ConfigError, match=r"task\.threshold"):
            fitted(rare, "f1", threshold=wrong)
