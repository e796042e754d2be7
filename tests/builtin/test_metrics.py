"""Every metric runs, equals scikit-learn's, and says clearly where it is not defined."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics as sk

from mm_core.api import MetricError
from mm_core.api.specs import MetricSpec, TaskSpec
from mm_core.plugins import Registry

REGISTRY = Registry(entry_points=[])
RNG = np.random.default_rng(0)
SPECS = {c.spec.name: c.spec for c in REGISTRY.all(MetricSpec)}
Views = tuple[np.ndarray, np.ndarray]


def score(name: str, truth: Any, answer: Any) -> float:
    metric = REGISTRY.get(MetricSpec, name).load()()
    metric.update(np.asarray(truth), np.asarray(answer))
    value = metric.compute()
    assert isinstance(value, float)
    return value


def proba(n_classes: int, n: int = 60) -> Views:
    truth = np.arange(n) % n_classes
    logits = RNG.normal(size=(n, n_classes)) + np.eye(n_classes)[truth]
    return truth, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def labels(n_classes: int) -> Views:
    truth, answer = proba(n_classes)
    return truth, answer.argmax(axis=1)


def values() -> Views:
    truth = RNG.normal(size=50) + 5
    return truth, truth + RNG.normal(size=50)


def indicators() -> Views:
    truth = np.stack([np.arange(60) % 2, np.arange(60) % 3 == 0, np.arange(60) % 5 < 3], 1)
    truth[4] = 1  # f1_samples and the like are 0 where a row has no label
    truth[~truth.any(axis=1), 0] = 1
    return truth, np.where(RNG.random(truth.shape) < 0.8, truth, 1 - truth)


def shares() -> Views:
    truth, _ = indicators()
    return truth, 1 / (1 + np.exp(1 - 2 * truth - RNG.normal(size=truth.shape)))


VIEWS: dict[tuple[str, str], Callable[[], Views]] = {
    ("binary", "labels"): lambda: labels(2),
    ("binary", "proba"): lambda: proba(2),
    ("multiclass", "labels"): lambda: labels(4),
    ("multiclass", "proba"): lambda: proba(4),
    ("multilabel", "labels"): indicators,
    ("multilabel", "indicators"): indicators,
    ("multilabel", "proba"): shares,
    ("regression", "values"): values,
}
ADVERTISED = [
    (task.spec.name, name)
    for task in REGISTRY.all(TaskSpec)
    if isinstance(task.spec, TaskSpec)
    for name in task.spec.metrics
]


@pytest.mark.parametrize(("task", "name"), ADVERTISED)
def test_every_advertised_metric_runs_and_knows_its_direction(task: str, name: str) -> None:  # B9
    spec = SPECS[name]
    assert isinstance(spec, MetricSpec)
    truth, answer = VIEWS[task, spec.needs]()
    best = truth
    if spec.needs == "proba":
        best = np.eye(answer.shape[1])[truth] if truth.ndim == 1 else truth.astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        noisy, perfect = score(name, truth, answer), score(name, truth, best)
    assert (perfect > noisy) == spec.higher_is_better
    assert perfect == pytest.approx(1.0 if spec.higher_is_better else 0.0, abs=1e-9)


T2, P2 = proba(2)
T4, P4 = proba(4)
L2, L4 = P2.argmax(1), P4.argmax(1)
TV, AV = values()
TI, AI = indicators()
TS, PS = shares()
REFERENCE: list[tuple[str, Any, Any, float]] = [
    ("accuracy", T4, L4, sk.accuracy_score(T4, L4)),
    ("balanced_accuracy", T4, L4, sk.balanced_accuracy_score(T4, L4)),
    ("f1", T2, L2, sk.f1_score(T2, L2)),
    ("f1_macro", T4, L4, sk.f1_score(T4, L4, average="macro")),
    ("f1_micro", T4, L4, sk.f1_score(T4, L4, average="micro")),
    ("f1_weighted", T4, L4, sk.f1_score(T4, L4, average="weighted")),
    ("precision", T2, L2, sk.precision_score(T2, L2)),
    ("precision_macro", T4, L4, sk.precision_score(T4, L4, average="macro")),
    ("precision_weighted", T4, L4, sk.precision_score(T4, L4, average="weighted")),
    ("recall", T2, L2, sk.recall_score(T2, L2)),
    ("recall_macro", T4, L4, sk.recall_score(T4, L4, average="macro")),
    ("recall_weighted", T4, L4, sk.recall_score(T4, L4, average="weighted")),
    ("accuracy", TI, AI, sk.accuracy_score(TI, AI)),
    ("hamming_loss", TI, AI, sk.hamming_loss(TI, AI)),
    ("hamming_loss", T4, L4, sk.hamming_loss(T4, L4)),
    *[
        (f"{name}_{mean}", TI, AI, function(TI, AI, average=mean, zero_division=0))
        for name, function in (
            ("f1", sk.f1_score),
            ("precision", sk.precision_score),
            ("recall", sk.recall_score),
        )
        for mean in ("macro", "micro", "weighted", "samples")
    ],
    ("jaccard_macro", TI, AI, sk.jaccard_score(TI, AI, average="macro")),
    ("jaccard_samples", TI, AI, sk.jaccard_score(TI, AI, average="samples")),
    ("roc_auc", TS, PS, sk.roc_auc_score(TS, PS, average="macro")),
    ("average_precision", TS, PS, sk.average_precision_score(TS, PS, average="macro")),
    ("log_loss", TS, PS, float(np.mean([sk.log_loss(TS[:, i], PS[:, i]) for i in range(3)]))),
    ("brier", TS, PS, float(np.mean([sk.brier_score_loss(TS[:, i], PS[:, i]) for i in range(3)]))),
    ("mcc", T4, L4, sk.matthews_corrcoef(T4, L4)),
    ("cohen_kappa", T4, L4, sk.cohen_kappa_score(T4, L4)),
    ("quadratic_kappa", T4, L4, sk.cohen_kappa_score(T4, L4, weights="quadratic")),
    ("quadratic_kappa", T2, L2, sk.cohen_kappa_score(T2, L2, weights="quadratic")),
    ("roc_auc", T2, P2, sk.roc_auc_score(T2, P2[:, 1])),
    ("roc_auc", T4, P4, sk.roc_auc_score(T4, P4, multi_class="ovr")),
    ("roc_auc_ovr", T4, P4, sk.roc_auc_score(T4, P4, multi_class="ovr")),
    ("roc_auc_ovo", T4, P4, sk.roc_auc_score(T4, P4, multi_class="ovo")),
    ("average_precision", T2, P2, sk.average_precision_score(T2, P2[:, 1])),
    ("log_loss", T4, P4, sk.log_loss(T4, P4)),
    ("brier", T2, P2, sk.brier_score_loss(T2, P2[:, 1])),
    ("brier", T4, P4, float(((P4 - np.eye(4)[T4]) ** 2).sum(1).mean())),
    ("rmse", TV, AV, sk.root_mean_squared_error(TV, AV)),
    ("mse", TV, AV, sk.mean_squared_error(TV, AV)),
    ("mae", TV, AV, sk.mean_absolute_error(TV, AV)),
    ("median_absolute_error", TV, AV, sk.median_absolute_error(TV, AV)),
    ("mean_pinball_loss", TV, AV, sk.mean_pinball_loss(TV, AV)),
    ("mape", TV, AV, sk.mean_absolute_percentage_error(TV, AV)),
    ("r2", TV, AV, sk.r2_score(TV, AV)),
    ("spearmanr", TV.round(), AV.round(), scipy.stats.spearmanr(TV.round(), AV.round()).statistic),
    ("pearsonr", TV, AV, scipy.stats.pearsonr(TV, AV).statistic),
]


@pytest.mark.parametrize(("name", "truth", "answer", "expected"), REFERENCE)
def test_equals_the_reference(name: str, truth: Any, answer: Any, expected: float) -> None:
    assert score(name, truth, answer) == pytest.approx(expected, rel=1e-12)


def test_the_pinball_loss_is_of_the_level_that_it_is_given() -> None:
    factory = REGISTRY.get(MetricSpec, "mean_pinball_loss").load()
    for level in (0.05, 0.9):
        metric = factory(level=level)
        metric.update(TV, AV)
        assert metric.compute() == pytest.approx(sk.mean_pinball_loss(TV, AV, alpha=level))


def test_every_metric_has_a_reference() -> None:
    assert {name for name, *_ in REFERENCE} == set(SPECS)


@pytest.mark.parametrize("name", ["roc_auc", "log_loss", "brier"])
def test_updates_in_parts_equal_one_update_and_reset_forgets(name: str) -> None:
    metric = REGISTRY.get(MetricSpec, name).load()()
    metric.update(T4[:7], P4[:7])
    metric.reset()
    for start in range(0, 60, 9):
        metric.update(T4[start : start + 9], P4[start : start + 9])
    assert metric.compute() == score(name, T4, P4)


@pytest.mark.parametrize(
    ("name", "truth", "answer", "sentence"),
    [
        ("roc_auc", [1, 1], [[0.4, 0.6], [0.5, 0.5]], "no row is of the negative class"),
        ("roc_auc", [0, 0], [[0.4, 0.6], [0.5, 0.5]], "validation_metric='log_loss'"),
        ("roc_auc_ovo", [0, 1], [[0.4, 0.6, 0.0], [0.5, 0.5, 0.0]], "class number 2 (of 0..2"),
        ("average_precision", [0, 0], [[0.4, 0.6], [0.5, 0.5]], "positive class"),
        ("average_precision", [0, 1, 2], np.eye(3), "two classes"),
        (
            "roc_auc",
            [[0, 1], [0, 0]],
            [[0.4, 0.6], [0.5, 0.5]],
            "no row has label number 0 (of 0..1",
        ),
        ("roc_auc", [[0, 1], [1, 1]], [[0.4, 0.6], [0.5, 0.5]], "every row has label number 1"),
        ("average_precision", [[0, 1], [0, 0]], [[0.4, 0.6], [0.5, 0.5]], "label number 0"),
        ("f1", [0, 1, 2], [0, 1, 2], "use f1_macro"),
        ("recall", [0, 1, 1], [0, 1, 2], "use recall_macro"),
        ("r2", [1.0], [1.0], "only one row"),
        ("r2", [2.0, 2.0], [1.0, 3.0], "all true values are the same"),
        ("spearmanr", [1.0, 2.0], [3.0, 3.0], "all predicted values are the same"),
        ("pearsonr", [1.0], [1.0], "only one row"),
        ("mape", [0.0, 1.0], [1.0, 1.0], "1 true value(s) are 0"),
        ("cohen_kappa", [1, 1], [1, 1], "one class only"),
        ("accuracy", [], [], "no rows"),
        ("rmse", [1.0, 2.0], [1.0, np.nan], "not finite"),
        ("log_loss", [0, 1], [[0.5, 0.5], [np.inf, 0.0]], "not finite"),
    ],
)
def test_undefined_cases_say_why(name: str, truth: Any, answer: Any, sentence: str) -> None:
    with pytest.raises(MetricError) as caught:
        score(name, truth, answer)
    assert sentence in str(caught.value)
    assert caught.value.value == name
    assert caught.value.remedy


def test_answers_that_are_not_finite_name_their_rows() -> None:
    with pytest.raises(MetricError) as caught:
        score("rmse", [1.0, 2.0, 3.0], [1.0, np.nan, 3.0])
    assert caught.value.rows == (1,)


def test_quadratic_kappa_measures_distance_by_class_index() -> None:
    # Class 1 occurs nowhere here: 0 and 2 are still two steps apart, and 2 and 3 one.
    truth, answer = np.array([0, 2, 3, 3]), np.array([2, 2, 3, 0])
    distance = (np.arange(4)[:, None] - np.arange(4)) ** 2
    expected = distance[truth, answer].mean() / distance[truth][:, answer].mean()
    assert score("quadratic_kappa", truth, answer) == pytest.approx(1 - expected)


def test_log_loss_with_a_class_that_does_not_occur() -> None:
    assert score("log_loss", [0, 1], P4[:2, :3] / P4[:2, :3].sum(1, keepdims=True)) > 0
