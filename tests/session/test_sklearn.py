"""The predictor as scikit-learn's estimators, and what is said to those who come from there."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    fbeta_score,
    get_scorer,
    log_loss,
    make_scorer,
    mean_absolute_error,
    roc_auc_score,
)
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from mm_core import MultiModalPredictor
from mm_core.api.errors import ConfigError, MetricError
from mm_core.scorers import instead_of
from mm_core.sklearn import MultiModalClassifier, MultiModalRegressor

QUICK = {"training.epochs": 2, "backbones.tabular.width": 16}
ENOUGH = {"training.epochs": 15, "backbones.tabular.width": 32, "training.batch_size": 32}
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "the rows that choose the best epoch are "
    "drawn at random: a row of weight 2 may be among them, or be trained on, as a whole"
}


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"x": random.normal(size=120), "city": random.choice(["ulm", "bonn"], 120)},
        index=range(1000, 1120),
    )
    frame["y"] = np.where(frame["x"] + (frame["city"] == "ulm") > 0.3, "yes", "no")
    return frame


@pytest.fixture(scope="module")
def fitted(rows):
    return MultiModalPredictor("y", hyperparameters=QUICK, verbosity=0).fit(rows)


@pytest.mark.slow
def test_check_estimator_of_the_classifier():
    check_estimator(MultiModalClassifier(hyperparameters=ENOUGH), expected_failed_checks=EXPECTED)


@pytest.mark.slow
def test_check_estimator_of_the_regressor():
    check_estimator(MultiModalRegressor(hyperparameters=ENOUGH), expected_failed_checks=EXPECTED)


def test_frames_are_read_as_they_are(rows):
    x, y = rows[["x", "city"]], rows["y"]
    model = MultiModalClassifier(hyperparameters=QUICK, column_types={"city": "categorical"})
    assert model.fit(x, y) is model
    assert model.predictor_.column_types == {
        "x": "tabular:numerical",
        "city": "tabular:categorical",
    }
    assert list(model.classes_) == ["no", "yes"]
    assert model.predict_proba(x).shape == (120, 2)
    assert set(model.predict(x)) <= {"no", "yes"}
    with pytest.raises(ValueError, match="feature names"):
        model.predict(x.rename(columns={"x": "z"}))


def test_a_column_called_as_the_label_is_one_of_the_inputs(rows):
    x = rows[["x", "city"]].rename(columns={"x": "label", "city": "weight"})
    model = MultiModalClassifier(hyperparameters=QUICK).fit(x, rows["y"], np.ones(len(x)))
    assert set(model.predictor_.column_types) == {"label", "weight"}


def test_clone_and_cross_val_score(rows):
    model = MultiModalClassifier(hyperparameters=QUICK, seed=3)
    assert clone(model).get_params() == model.get_params()
    scores = cross_val_score(model, rows[["x", "city"]], rows["y"], cv=2, scoring="roc_auc")
    assert scores.shape == (2,)
    assert np.isfinite(scores).all()


def test_pipelines(rows):
    prepared = make_column_transformer(
        (SimpleImputer(), ["x"]), ("passthrough", ["city"]), verbose_feature_names_out=False
    ).set_output(transform="pandas")
    model = make_pipeline(prepared, MultiModalRegressor(hyperparameters=QUICK))
    target = rows["x"] * 3
    assert np.isfinite(model.fit(rows[["x", "city"]], target).score(rows, target))
    assert model[-1].predictor_.problem_type == "regression"


# ---- habits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [lambda y: y, np.asarray, list])
def test_labels_beside_the_data_are_refused_with_what_to_type(rows, form):
    predictor = MultiModalPredictor("y", verbosity=0)
    with pytest.raises(ConfigError, match=r"fit\(X, y\)") as caught:
        predictor.fit(rows[["x", "city"]], form(rows["y"]))
    assert "X.assign(y=y)" in caught.value.remedy
    assert "mm_core.sklearn" in caught.value.remedy


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("epochs", "training.epochs"),
        ("batchsize", "training.batch_size"),
        ("holdout_frac", "data.holdout_frac"),
        ("trainin.epochs", "training"),
    ],
)
def test_a_short_name_is_told_in_full(rows, typed, meant):
    predictor = MultiModalPredictor("y", hyperparameters={typed: 2})
    with pytest.raises(ConfigError, match=f"unknown key {re.escape(repr(typed))}") as caught:
        predictor.plan(rows)
    assert caught.value.remedy == f"did you mean {meant!r}?"


def test_scorers_of_labels_are_metrics(rows, fitted):
    truth, answers = rows["y"], fitted.predict(rows)
    scorer = make_scorer(fbeta_score, beta=2, pos_label="yes")
    scores = fitted.evaluate(rows, [scorer, "accuracy"])
    assert scores["fbeta_score"] == pytest.approx(
        fbeta_score(truth, answers, beta=2, pos_label="yes")
    )
    again = make_scorer(fbeta_score, beta=2, pos_label="yes")
    assert fitted.evaluate(rows, [scorer, again]) == {"fbeta_score": scores["fbeta_score"]}
    other = make_scorer(fbeta_score, beta=1, pos_label="yes")
    with pytest.raises(ConfigError, match="two metrics are called 'fbeta_score'"):
        fitted.evaluate(rows, [scorer, other])
    weighted = make_scorer(f1_score, average="weighted")
    assert fitted.evaluate(rows, weighted)["f1_score"] == pytest.approx(
        fitted.evaluate(rows, "f1_weighted")["f1_weighted"]
    )


@pytest.mark.parametrize(
    ("metric", "typed"),
    [
        (make_scorer(fbeta_score, beta=2), "make_scorer(fbeta_score, beta=2, pos_label='yes')"),
        (f1_score, "make_scorer(f1_score, pos_label='yes')"),
        (f1_score, "'f1'"),
        (roc_auc_score, "'roc_auc'"),
        (log_loss, "'log_loss'"),
    ],
)
def test_functions_that_fail_on_words_say_what_to_type(rows, fitted, metric, typed):
    with pytest.raises(MetricError, match="raised ValueError") as caught:
        fitted.evaluate(rows, metric)
    assert f"eval_metric={typed}" in caught.value.remedy
    assert fitted.evaluate(rows, eval(typed))


def test_metrics_of_other_tasks_are_not_advised(rows):
    three = rows.assign(y=["a", "b", "c"] * (len(rows) // 3) + ["a"] * (len(rows) % 3))
    settings = {"fit": "core:finetune", "training.epochs": 1}
    made = MultiModalPredictor("y", hyperparameters=settings, verbosity=0).fit(three)
    with pytest.raises(MetricError, match="raised ValueError") as caught:
        made.evaluate(three, average_precision_score)
    assert "average_precision'" not in caught.value.remedy


def test_functions_of_two_classes_say_how_they_score_more():
    names: list[str] = []
    remedy = instead_of(f1_score, "Target is multiclass but average='binary'", None, names)
    assert remedy == "eval_metric=make_scorer(f1_score, average='macro')"
    assert instead_of(lambda truth, answer: 0.0, "pos_label", "yes", names) == ""


def test_the_direction_of_a_scorer_counts(rows):
    error = make_scorer(mean_absolute_error, greater_is_better=False)
    predictor = MultiModalPredictor("x", eval_metric=error, hyperparameters=QUICK, verbosity=0)
    predictor.fit(rows)
    assert predictor.evaluate(rows)["mean_absolute_error"] > 0
    history = predictor.history["mean_absolute_error"]
    assert predictor._fitted.result.best_score == pytest.approx(history.min())


def test_scorers_of_probabilities_are_their_names(rows, fitted):
    assert fitted.evaluate(rows, get_scorer("roc_auc")) == fitted.evaluate(rows, "roc_auc")
    log_losses = [fitted.evaluate(rows, one) for one in (get_scorer("neg_log_loss"), "log_loss")]
    assert log_losses[0] == log_losses[1]
    with pytest.raises(ConfigError, match="reads probabilities") as caught:
        fitted.evaluate(rows, get_scorer("roc_auc_ovr"))
    assert "'roc_auc'" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("neg_log_loss", "log_loss"),
        ("neg_root_mean_squared_error", "rmse"),
        ("matthews_corrcoef", "mcc"),
        ("f1_score", "f1"),
    ],
)
def test_names_of_scikit_learn_are_told(rows, fitted, name, ours):
    with pytest.raises(ConfigError, match="scikit-learn's name") as caught:
        fitted.evaluate(rows, name)
    assert f"{ours!r}" in caught.value.remedy
    assert ("smaller is better" in caught.value.remedy) == name.startswith("neg_")
