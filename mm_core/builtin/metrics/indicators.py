"""Metrics of ``indicators``: truth and answer are 0 or 1, int [N, L]; means over the rows.

scikit-learn's own (``average="samples"``) refuse a single label.
"""

from __future__ import annotations

import numpy as np

from mm_core.builtin.metrics.collected import metric


@metric
def f1_samples(truth: np.ndarray, answer: np.ndarray) -> float:
    both, either = _shared(truth, answer), truth.sum(axis=1) + answer.sum(axis=1)
    return _mean_share(2 * both, either)


@metric
def precision_samples(truth: np.ndarray, answer: np.ndarray) -> float:
    return _mean_share(_shared(truth, answer), answer.sum(axis=1))


@metric
def recall_samples(truth: np.ndarray, answer: np.ndarray) -> float:
    return _mean_share(_shared(truth, answer), truth.sum(axis=1))


@metric
def jaccard_samples(truth: np.ndarray, answer: np.ndarray) -> float:
    return _mean_share(_shared(truth, answer), ((truth == 1) | (answer == 1)).sum(axis=1))


def _shared(truth: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """Labels that are right, int [N]."""
    shared: np.ndarray = ((truth == 1) & (answer == 1)).sum(axis=1)
    return shared


def _mean_share(part: np.ndarray, whole: np.ndarray) -> float:
    """Mean over the rows; 0 where the whole is 0, as scikit-learn's ``zero_division=0``."""
    return float(np.where(whole > 0, part / np.maximum(whole, 1), 0.0).mean())
