"""Training a model further: on new rows, with new classes."""

from __future__ import annotations

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, LabelError, MetricError

CENTRES = {"ash": (0, 0), "elm": (6, 0), "fir": (0, 6), "oak": (6, 6), "bay": (3, 12)}
OLD = ["elm", "fir", "oak"]
NEW = ["ash", "bay"]
STILL = {"training.head_learning_rate": 1e-12, "training.max_steps": 1}
"""A fit that changes no weight that can be seen."""


def _trees(kinds, n_each=16, seed=0):
    rng = np.random.default_rng(seed)
    rows = [(*(rng.normal(size=2) * 0.7 + CENTRES[kind]), kind) for kind in kinds * n_each]
    frame = pd.DataFrame(rows, columns=["height", "width", "kind"])
    frame["note"] = [f"row {row} of the kinds that were seen" for row in range(len(frame))]
    return frame


TABLE = ["height", "width", "kind"]
SETTINGS = {
    "training.epochs": 40,
    "training.batch_size": 16,
    "training.head_learning_rate": 0.01,
    "training.patience": 40,
}


def _fit(frame, path=None, **settings):
    predictor = MultiModalPredictor(
        "kind", hyperparameters=SETTINGS | settings, path=path, verbosity=0
    )
    return predictor.fit(frame)


def test_new_classes_stand_after_the_old_ones_and_all_are_told_apart(tmp_path):
    predictor = _fit(_trees(OLD)[TABLE])
    assert predictor.predict_proba(_trees(OLD)[TABLE]).columns.tolist() == OLD
    predictor.fit(_trees(OLD + NEW, seed=1)[TABLE])
    test = _trees(OLD + NEW, n_each=40, seed=2)[TABLE]
    proba = predictor.predict_proba(test)
    assert proba.columns.tolist() == [*OLD, "ash", "bay"]
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    assert (predictor.predict(test) == test["kind"]).mean() > 0.9
    loaded = MultiModalPredictor.load(predictor.save(tmp_path / "grown"), verbosity=0)
    pd.testing.assert_frame_equal(loaded.predict_proba(test), proba)
    assert loaded.evaluate(test) == predictor.evaluate(test)
    third = loaded.fit(_trees(OLD + NEW, seed=3)[TABLE], hyperparameters={"training.epochs": 1})
    assert third.predict_proba(test).columns.tolist() == [*OLD, "ash", "bay"]


@pytest.mark.parametrize("fusion", ["core:concat_mlp", "core:mean", "core:logit", "core:hybrid"])
def test_what_old_classes_had_learned_stays(fusion):
    settings = {
        "fusion.id": fusion,
        "backbones.text.checkpoint": "random",
        "training.epochs": 2,
        "task.temperature": False,
    }
    predictor = MultiModalPredictor("kind", hyperparameters=settings, verbosity=0)
    predictor.fit(_trees(OLD), column_types={"note": "text"})
    before = predictor.predict_proba(_trees(OLD))
    weights = predictor._model.topology.state_dict()
    weights = {name: value.clone() for name, value in weights.items()}
    predictor.fit(_trees(OLD + NEW), hyperparameters=STILL)
    after = predictor.predict_proba(_trees(OLD))
    grown = predictor._model.topology.state_dict()
    wider = [name for name, value in grown.items() if value.shape != weights[name].shape]
    assert wider
    assert set(grown) == set(weights)
    shares = after[OLD].div(after[OLD].sum(axis=1), axis=0)
    np.testing.assert_allclose(shares, before, atol=1e-5)


def test_new_rows_are_read_as_the_first_ones_were():
    frame = _trees(OLD)[TABLE]
    predictor = _fit(frame, **{"task.temperature": False, "training.epochs": 3})
    before = predictor.predict_proba(frame)
    wide = frame.assign(height=frame["height"] * 100 + 7)  # another scale, were it fitted
    predictor.fit(wide, hyperparameters=STILL)
    np.testing.assert_allclose(predictor.predict_proba(frame), before, atol=1e-5)


def test_training_starts_from_what_was_learned():
    frame = _trees(OLD)[TABLE]
    predictor = _fit(frame)
    first = predictor.history["loss"].iloc[0]
    predictor.fit(frame, hyperparameters={"training.epochs": 1})
    assert predictor.history["loss"].iloc[0] < 0.3 * first


def test_what_changes_stands_in_the_recipe():
    frame = _trees(OLD)[TABLE].assign(counts=1.0)
    predictor = MultiModalPredictor("kind", hyperparameters=SETTINGS, verbosity=0)
    predictor.fit(frame, column_types={"counts": "ignore"}, hyperparameters={"training.epochs": 1})
    old = predictor.recipe
    predictor.fit(
        frame,
        hyperparameters={"training.epochs": 2, "training.schedule": "linear"},
        sample_weight="counts",
        holdout_frac=0.25,
        seed=9,
    )
    new = predictor.recipe
    changed = {
        "training.epochs": 2,
        "training.schedule": "linear",
        "training.seed": 9,
        "data.sample_weight": "counts",
        "data.holdout_frac": 0.25,
    }
    flat = new.flat()
    for name, value in changed.items():
        assert flat[name] == value
        assert new.origin(name) == "user"
    assert {k: v for k, v in flat.items() if k not in changed} == {
        k: v for k, v in old.flat().items() if k not in changed
    }
    assert len(predictor.history) == 2


ONE_EPOCH = {"training.epochs": 1}


def _further(frame, label, first, then):
    """The recipe of a model fitted by some settings and trained further by others."""
    predictor = MultiModalPredictor(label, hyperparameters=ONE_EPOCH | first, verbosity=0)
    predictor.fit(frame)
    return predictor.fit(frame, hyperparameters=ONE_EPOCH | then).recipe


def _of_loss(recipe):
    """Settings of the loss, and the origins of all that stands below it."""
    prefix = "training.loss."
    origins = {
        key.removeprefix(prefix): said
        for key, said in recipe.origins.items()
        if key.startswith(prefix)
    }
    return recipe.training.loss.model_dump(), origins


FOCAL = {"training.loss": {"id": "focal", "gamma": 3.0}}


@pytest.mark.parametrize(
    ("first", "then", "settings", "origins"),
    [
        (
            {},
            {"training.loss.label_smoothing": 0.1},
            {"id": "core:cross_entropy", "label_smoothing": 0.1},
            {"id": "task core:multiclass", "label_smoothing": "user"},
        ),
        (
            FOCAL,
            {"training.loss.label_smoothing": 0.1},
            {"id": "core:focal", "label_smoothing": 0.1, "gamma": 3.0},
            {"id": "user", "label_smoothing": "user", "gamma": "user"},
        ),
        (
            FOCAL,
            {"training.loss": "focal"},
            {"id": "core:focal", "label_smoothing": 0.0, "gamma": 3.0},
            {"id": "user", "label_smoothing": "default", "gamma": "user"},
        ),
        (
            FOCAL,
            {"training.loss": "cross_entropy"},
            {"id": "core:cross_entropy", "label_smoothing": 0.0},
            {"id": "user", "label_smoothing": "default"},
        ),
        (
            FOCAL,
            {"training.loss": None},
            {"id": "core:cross_entropy", "label_smoothing": 0.0},
            {"id": "task core:multiclass", "label_smoothing": "default"},
        ),
        (
            {},
            FOCAL,
            {"id": "core:focal", "label_smoothing": 0.0, "gamma": 3.0},
            {"id": "user", "label_smoothing": "default", "gamma": "user"},
        ),
    ],
)
def test_the_loss_is_resolved_as_for_a_new_fit(first, then, settings, origins):
    recipe = _further(_trees(OLD)[TABLE], "kind", first, then)
    assert _of_loss(recipe) == (settings, origins)
    assert recipe.origin("training.epochs") == "user"
    assert type(recipe).from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"training.loss": "mse"}, "not for multiclass"),
        ({"training.loss": "focl"}, "no such loss"),
        ({"training.loss.gamma": 2}, "training.loss.gamma"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused(settings, says):
    frame = _trees(OLD)[TABLE]
    predictor = _fit(frame, **ONE_EPOCH)
    with pytest.raises(ConfigError, match=says):
        predictor.fit(frame, hyperparameters=settings)


def test_another_loss_is_trained_with_also_after_load(tmp_path):
    frame = _trees(OLD)[TABLE]
    path = _fit(frame, tmp_path / "model", **ONE_EPOCH).path
    losses = []
    for smoothing in (0.0, 0.5):
        loaded = MultiModalPredictor.load(path, verbosity=0)
        loaded.fit(frame, hyperparameters=STILL | {"training.loss.label_smoothing": smoothing})
        losses.append(loaded.history["loss"].iloc[0])
    assert abs(losses[1] - losses[0]) > 0.01


QUANTILE = {"training.loss": {"id": "quantile", "level": 0.1}}


@pytest.mark.parametrize(
    ("first", "then", "metric", "origin"),
    [
        ({}, QUANTILE, "core:mean_pinball_loss", "loss core:quantile"),
        (QUANTILE, {"training.loss.level": 0.3}, "core:mean_pinball_loss", "loss core:quantile"),
        (QUANTILE, {"training.loss": "mse"}, "core:rmse", "data.eval_metric"),
        (QUANTILE, {}, "core:mean_pinball_loss", "loss core:quantile"),
        ({"data.validation_metric": "r2"}, QUANTILE, "core:r2", "user"),
        ({"data.eval_metric": "r2"}, QUANTILE, "core:r2", "data.eval_metric"),
    ],
)
def test_a_metric_that_nobody_asked_for_goes_with_the_loss(
    small_table, first, then, metric, origin
):
    recipe = _further(small_table.drop(columns="kind"), "weight", first, then)
    assert recipe.data.validation_metric == metric
    assert recipe.origin("data.validation_metric") == origin


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"presets": "best_quality"}, "presets"),
        ({"column_types": {"height": "ignore"}}, "column_types"),
        ({"hyperparameters": {"backbones.tabular.width": 8}}, "backbones"),
        ({"hyperparameters": {"task.temperature": False}}, "task"),
        ({"hyperparameters": {"data.eval_metric": "accuracy"}}, "data.eval_metric"),
    ],
)
def test_another_model_is_refused(arguments, said):
    frame = _trees(OLD)[TABLE]
    predictor = _fit(frame, **{"training.epochs": 1})
    before = predictor.predict_proba(frame)
    with pytest.raises(ConfigError, match=said) as caught:
        predictor.fit(frame, **arguments)
    assert "new MultiModalPredictor" in caught.value.remedy
    pd.testing.assert_frame_equal(predictor.predict_proba(frame), before)


def test_a_recipe_is_refused_beside_a_model():
    frame = _trees(OLD)[TABLE]
    predictor = MultiModalPredictor("kind", verbosity=0)
    predictor.fit(frame, hyperparameters={"training.epochs": 1})
    other = MultiModalPredictor("kind", verbosity=0).plan(frame.drop(columns="width"))
    with pytest.raises(ConfigError, match="model"):
        predictor.fit(frame, recipe=other)


def test_a_binary_task_stays_binary(small_table, fit_table):
    predictor = fit_table(small_table)
    more = small_table.assign(kind=["a", "b", "c", "a"] * 20)
    with pytest.raises(LabelError, match="'c'"):
        predictor.fit(more)
    assert predictor.predict(small_table).isin(["a", "b"]).all()


def test_a_regression_keeps_the_scale_of_its_label(small_table, fit_table):
    frame = small_table.assign(price=small_table["height"] * 10 + 100).drop(columns="kind")
    predictor = fit_table(frame, label="price", hyperparameters={"training.epochs": 20})
    before = predictor.predict(frame)
    predictor.fit(frame.assign(price=frame["price"] * 50), hyperparameters=STILL)
    np.testing.assert_allclose(predictor.predict(frame), before, rtol=1e-4)


class _Breaks(pl.Callback):
    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        if trainer.global_step == 3:
            raise RuntimeError("in the middle")


def test_a_fit_that_fails_leaves_every_model_as_it_was(tmp_path):
    frame, path = _trees(OLD)[TABLE], tmp_path / "model"
    predictor = _fit(frame, path, **{"training.epochs": 2})
    before = predictor.predict_proba(frame)
    beside = MultiModalPredictor.load(path, verbosity=0)
    more = _trees(OLD + NEW)[TABLE]
    with pytest.raises(RuntimeError, match="in the middle"):
        predictor.fit(more, callbacks=[_Breaks()])
    for one in (predictor, beside, MultiModalPredictor.load(path, verbosity=0)):
        pd.testing.assert_frame_equal(one.predict_proba(frame), before)
    predictor.fit(more, hyperparameters={"training.epochs": 1})
    assert predictor.predict_proba(frame).shape[1] == 5
    pd.testing.assert_frame_equal(beside.predict_proba(frame), before)


def test_validation_does_not_see_the_old_calibration():
    frame = _trees(OLD, n_each=8)[TABLE]
    settings = {"data.validation_metric": "core:log_loss", "training.epochs": 20}
    predictor = _fit(frame, **settings)
    assert predictor._model.task.calibration.temperature != pytest.approx(1, abs=0.1)
    tuning = _trees(OLD, n_each=8, seed=4)[TABLE]
    predictor.fit(frame, tuning_data=tuning, hyperparameters=STILL)
    told = predictor.history["log_loss"].iloc[-1]
    predictor._model.task.calibration.temperature = 1.0
    assert predictor.evaluate(tuning, "log_loss")["log_loss"] == pytest.approx(told, rel=1e-4)


def test_rows_of_one_class_are_learned_with_another_metric(small_table):
    predictor = MultiModalPredictor(
        "kind", hyperparameters={"training.epochs": 2}, verbosity=0
    ).fit(small_table)
    one_kind = small_table[small_table["kind"] == "a"]
    with pytest.raises(MetricError, match="roc_auc") as caught:
        predictor.fit(one_kind)
    named = {"data.validation_metric": "log_loss"}
    assert str(named) in caught.value.remedy
    predictor.fit(one_kind, hyperparameters=named | {"training.epochs": 1})
    assert predictor.recipe.data.validation_metric == "core:log_loss"
    assert predictor.recipe.origin("data.validation_metric") == "user"
    assert "log_loss" in predictor.history
    with pytest.raises(ConfigError, match="rmse"):
        predictor.fit(one_kind, hyperparameters={"data.validation_metric": "rmse"})


def _share_right(truth, answer):
    return float(np.mean(truth == answer))


def test_a_metric_of_the_user_is_given_again(tmp_path):
    frame, more = _trees(OLD)[TABLE], _trees(OLD + NEW)[TABLE]
    once = {"training.epochs": 1}
    predictor = MultiModalPredictor(
        "kind",
        eval_metric=_share_right,
        validation_metric="log_loss",
        hyperparameters=once,
        path=tmp_path / "model",
        verbosity=0,
    ).fit(frame)

    class Steps(pl.Callback):
        taken = 0

        def on_train_batch_end(self, *arguments):
            self.taken += 1

    steps = Steps()
    with pytest.raises(MetricError, match="not at hand") as caught:
        MultiModalPredictor.load(predictor.path, verbosity=0).fit(more, callbacks=steps)
    assert steps.taken == 0
    assert "eval_metric= or validation_metric=" in caught.value.remedy
    loaded = MultiModalPredictor.load(predictor.path, verbosity=0, eval_metric=_share_right)
    assert set(loaded.evaluate(frame)) == {"_share_right"}
    loaded.fit(more, hyperparameters=once)
    assert loaded.predict_proba(frame).shape[1] == 5
    assert "log_loss" in loaded.history


def test_another_metric_than_the_models_own_is_refused(small_table, tmp_path):
    def accuracy(truth, answer):
        return _share_right(truth, answer)

    settings = {"training.epochs": 1}
    path = tmp_path / "model"
    MultiModalPredictor(
        "kind", validation_metric=_share_right, path=path, hyperparameters=settings, verbosity=0
    ).fit(small_table)
    for argument, wrong in (
        ("eval_metric", _share_right),
        ("eval_metric", "accuracy"),
        ("validation_metric", accuracy),
    ):
        with pytest.raises(ConfigError, match=f"the {argument} of the recipe is") as caught:
            MultiModalPredictor.load(path, **{argument: wrong})
        assert "evaluate(data, metrics=...)" in caught.value.remedy
    loaded = MultiModalPredictor.load(
        path, eval_metric="roc_auc", validation_metric=_share_right, verbosity=0
    )
    assert "_share_right" in loaded.fit(small_table, hyperparameters=settings).history
