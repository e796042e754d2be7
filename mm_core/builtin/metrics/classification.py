"""Metrics of ``labels`` and ``proba``: truth int [N] class indices, answer int [N] or float [N, C].

In a binary task index 1 is the positive class. In a multilabel task truth is 0 or 1, int [N, L],
and answers are int or float [N, L]: scores are scikit-learn's for such indicators, its "macro" mean
over the labels where it has several.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from mm_core.builtin.metrics.collected import metric, undefined


@metric
def accuracy(truth: np.ndarray, answer: np.ndarray) -> float:
    right = truth == answer
    return float((right if truth.ndim == 1 else right.all(axis=1)).mean())


@metric
def balanced_accuracy(truth: np.ndarray, answer: np.ndarray) -> float:
    # sklearn's own warns about every class that was predicted and does not occur.
    return _recall(truth, answer, labels=np.unique(truth), average="macro")


@metric
def f1(truth: np.ndarray, answer: np.ndarray) -> float:
    _need_two_classes("f1", truth, answer)
    return _f1(truth, answer, average="binary")


@metric
def f1_macro(truth: np.ndarray, answer: np.ndarray) -> float:
    return _f1(truth, answer, average="macro")


@metric
def f1_micro(truth: np.ndarray, answer: np.ndarray) -> float:
    return _f1(truth, answer, average="micro")


@metric
def f1_weighted(truth: np.ndarray, answer: np.ndarray) -> float:
    return _f1(truth, answer, average="weighted")


@metric
def precision(truth: np.ndarray, answer: np.ndarray) -> float:
    _need_two_classes("precision", truth, answer)
    return _precision(truth, answer, average="binary")


@metric
def precision_macro(truth: np.ndarray, answer: np.ndarray) -> float:
    return _precision(truth, answer, average="macro")


@metric
def precision_weighted(truth: np.ndarray, answer: np.ndarray) -> float:
    return _precision(truth, answer, average="weighted")


@metric
def recall(truth: np.ndarray, answer: np.ndarray) -> float:
    _need_two_classes("recall", truth, answer)
    return _recall(truth, answer, average="binary")


@metric
def recall_macro(truth: np.ndarray, answer: np.ndarray) -> float:
    return _recall(truth, answer, average="macro")


@metric
def recall_weighted(truth: np.ndarray, answer: np.ndarray) -> float:
    return _recall(truth, answer, average="weighted")


@metric
def precision_micro(truth: np.ndarray, answer: np.ndarray) -> float:
    return _precision(truth, answer, average="micro")


@metric
def recall_micro(truth: np.ndarray, answer: np.ndarray) -> float:
    return _recall(truth, answer, average="micro")


@metric
def hamming_loss(truth: np.ndarray, answer: np.ndarray) -> float:
    return float((truth != answer).mean())


@metric
def jaccard_macro(truth: np.ndarray, answer: np.ndarray) -> float:
    from sklearn.metrics import jaccard_score

    return float(jaccard_score(truth, answer, average="macro", zero_division=0))


@metric
def mcc(truth: np.ndarray, answer: np.ndarray) -> float:
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(truth, answer))


@metric
def cohen_kappa(truth: np.ndarray, answer: np.ndarray) -> float:
    return _kappa("cohen_kappa", truth, answer, None)


@metric
def quadratic_kappa(truth: np.ndarray, answer: np.ndarray) -> float:
    return _kappa("quadratic_kappa", truth, answer, "quadratic")


@metric
def roc_auc(truth: np.ndarray, answer: np.ndarray) -> float:
    return _roc_auc("roc_auc", truth, answer, "ovr")


@metric
def roc_auc_ovr(truth: np.ndarray, answer: np.ndarray) -> float:
    return _roc_auc("roc_auc_ovr", truth, answer, "ovr")


@metric
def roc_auc_ovo(truth: np.ndarray, answer: np.ndarray) -> float:
    return _roc_auc("roc_auc_ovo", truth, answer, "ovo")


@metric
def average_precision(truth: np.ndarray, answer: np.ndarray) -> float:
    from sklearn.metrics import average_precision_score

    if truth.ndim == 2:
        _need_positives("average_precision", truth)
        return float(average_precision_score(truth, answer, average="macro"))
    if answer.shape[1] != 2:
        raise undefined("average_precision", "it is for two classes", "use roc_auc")
    if not (truth == 1).any():
        raise undefined("average_precision", "no row is of the positive class", "use log_loss")
    return float(average_precision_score(truth == 1, answer[:, 1]))


@metric
def log_loss(truth: np.ndarray, answer: np.ndarray) -> float:
    from sklearn.metrics import log_loss as score

    if truth.ndim == 2:
        return _label_log_loss(truth, answer)
    return float(score(truth, answer, labels=np.arange(answer.shape[1])))


@metric
def brier(truth: np.ndarray, answer: np.ndarray) -> float:
    """Two classes: mean ``(p_1 - y)^2``; more: mean over rows of ``sum_c (p_c - y_c)^2``; labels:
    mean over rows and labels of ``(p - y)^2``.
    """
    if truth.ndim == 2:
        return float(((answer - truth) ** 2).mean())
    if answer.shape[1] == 2:
        return float(((answer[:, 1] - truth) ** 2).mean())
    return float(((answer - np.eye(answer.shape[1])[truth]) ** 2).sum(axis=1).mean())


def _f1(truth: np.ndarray, answer: np.ndarray, **options: Any) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(truth, answer, zero_division=0, **options))


def _precision(truth: np.ndarray, answer: np.ndarray, **options: Any) -> float:
    from sklearn.metrics import precision_score

    return float(precision_score(truth, answer, zero_division=0, **options))


def _recall(truth: np.ndarray, answer: np.ndarray, **options: Any) -> float:
    from sklearn.metrics import recall_score

    return float(recall_score(truth, answer, zero_division=0, **options))


def _kappa(
    name: str, truth: np.ndarray, answer: np.ndarray, weights: Literal["quadratic"] | None
) -> float:
    from sklearn.metrics import cohen_kappa_score

    top = int(max(truth.max(), answer.max()))
    if len(np.unique(np.concatenate([truth, answer]))) < 2:
        raise undefined(name, "truth and answers hold one class only", "use accuracy")
    # All indices, so that a class absent from these rows does not bring its neighbours nearer.
    return float(cohen_kappa_score(truth, answer, labels=np.arange(top + 1), weights=weights))


_ANOTHER = (
    "give more rows, or name another metric: of training validation_metric='log_loss' (of a model "
    "that is trained further hyperparameters={'data.validation_metric': 'log_loss'})"
)


def _roc_auc(name: str, truth: np.ndarray, answer: np.ndarray, pairing: str) -> float:
    from sklearn.metrics import roc_auc_score

    if truth.ndim == 2:
        _need_positives(name, truth)
        _need_positives(name, 1 - truth, "with")
        return float(roc_auc_score(truth, answer, average="macro"))
    n_classes = answer.shape[1]
    absent = sorted(set(range(n_classes)) - set(truth.tolist()))
    if absent:
        raise undefined(
            name,
            f"no row is of {_named(absent, n_classes)}, and every class must occur",
            f"{_ANOTHER}, eval_metric='accuracy'",
        )
    if n_classes == 2:
        return float(roc_auc_score(truth, answer[:, 1]))
    labels = np.arange(n_classes)
    return float(roc_auc_score(truth, answer, multi_class=pairing, average="macro", labels=labels))


def _label_log_loss(truth: np.ndarray, answer: np.ndarray) -> float:
    """Mean over rows and labels, of probabilities [N, L], none of them taken for certain."""
    tiny = np.finfo(np.float64).eps
    proba = answer.astype(np.float64).clip(tiny, 1 - tiny)
    return float(-np.where(truth == 1, np.log(proba), np.log1p(-proba)).mean())


def _need_positives(name: str, truth: np.ndarray, lacking: str = "without") -> None:
    """Raise MetricError where a label [N, L] has no row."""
    empty = np.flatnonzero(~(truth == 1).any(axis=0))
    if len(empty):
        every = "no row has" if lacking == "without" else "every row has"
        raise undefined(
            name,
            f"{every} label number {', '.join(map(str, empty))} (of 0..{truth.shape[1] - 1}, in "
            "the order of the labels)",
            f"{_ANOTHER}, eval_metric='f1_micro'",
        )


def _named(classes: list[int], n_classes: int) -> str:
    """Metrics see no labels: the side of two classes, else the positions among the classes."""
    if n_classes == 2:
        return " and ".join(
            "the positive class" if one else "the negative class" for one in classes
        )
    numbers = ", ".join(map(str, classes))
    return f"class number {numbers} (of 0..{n_classes - 1}, in the order of predict_proba)"


def _need_two_classes(name: str, truth: np.ndarray, answer: np.ndarray) -> None:
    if max(truth.max(), answer.max()) > 1:
        raise undefined(name, "it is for two classes", f"use {name}_macro or {name}_weighted")
