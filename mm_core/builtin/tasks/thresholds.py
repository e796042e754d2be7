"""A threshold for each label, chosen on validation rows by its F1, those of rare labels drawn to
one that all share."""

from __future__ import annotations

import numpy as np

DRAWN = 20
"""Validation rows with a label at which its own threshold counts as much as the common one."""

SMOOTHED = 5
"""Neighbours on each side of a cut whose mean F1 counts, so that one lucky row does not decide."""


def label_thresholds(proba: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """float64 [L], probability above which each label is answered.

    Of each label the cut of the best F1, drawn to the cut of the best F1 of all answers together:
    of a label with few rows its own says little, and the common one keeps the number of labels a
    row near the true one.

    Args:
        proba: float64 [N, L].
        truth: bool [N, L].
    """
    common = _best_cut(proba.ravel(), truth.ravel())
    own = np.array([_best_cut(*of) for of in zip(proba.T, truth.T, strict=True)])
    there = np.minimum(truth.sum(axis=0), (~truth).sum(axis=0))
    weight = there / (there + DRAWN)
    drawn: np.ndarray = weight * own + (1 - weight) * common
    return drawn


def crossed_thresholds(proba: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """float64 [N, L]: for each half of the rows the thresholds that the other half gives.

    Answers at these are what new rows would get: they can be compared with those at 0.5.
    """
    even = np.arange(len(proba)) % 2 == 0
    crossed = np.empty_like(proba)
    for half in (even, ~even):
        crossed[half] = label_thresholds(proba[~half], truth[~half])
    return crossed


def _best_cut(proba: np.ndarray, truth: np.ndarray) -> float:
    """Between neighbouring probabilities, where the smoothed F1 is best; 0.5 if all are alike."""
    if not truth.any() or truth.all():
        return 0.5
    order = np.argsort(-proba, kind="stable")
    ranked, hits = proba[order], np.cumsum(truth[order])
    answered = np.arange(1, len(ranked) + 1)
    f1 = 2 * hits / (answered + hits[-1])
    window = np.ones(2 * SMOOTHED + 1)
    there = np.convolve(np.ones(len(f1)), window, mode="same")[: len(f1)]
    smooth = np.convolve(f1, window, mode="same")[: len(f1)] / there
    last = np.append(ranked[1:] < ranked[:-1], False)  # equal ones are answered alike
    if not last.any():
        return 0.5
    best = int(np.where(last, smooth, -1.0).argmax())
    return float((ranked[best] + ranked[best + 1]) / 2)
