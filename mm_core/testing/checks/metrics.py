"""What every metric keeps by itself; its direction is checked with the tasks that name it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mm_core.api.specs import MetricSpec
from mm_core.testing.outcome import NotTried, expect
from mm_core.testing.subject import Subject

Score = Subject[MetricSpec]

_N = 20


def check_forgets_when_reset(subject: Score) -> None:
    """After reset the score is that of the new rows alone; in parts it is that of the whole."""
    truth, answer = _views(subject.spec.needs)
    metric = subject.component.load()()
    metric.update(truth, answer)
    whole = float(metric.compute())
    expect(math.isfinite(whole), f"it gives {whole}")
    metric.reset()
    for half in (slice(0, _N // 2), slice(_N // 2, None)):
        metric.update(truth[half], answer[half])
    parts = float(metric.compute())
    expect(math.isclose(whole, parts, abs_tol=1e-9), f"{whole} at once is {parts} in two parts")


def check_points_the_right_way(subject: Score) -> None:
    """Perfect answers score better than mixed-up ones."""
    truth, _ = _views(subject.spec.needs)
    perfect = _perfect(subject.spec.needs, truth)
    order = np.random.default_rng(1).permutation(_N)
    right, wrong = (_score(subject, truth, answer) for answer in (perfect, perfect[order]))
    better = right > wrong if subject.spec.higher_is_better else right < wrong
    expect(better, f"it is {right:.4g} for perfect answers and {wrong:.4g} for mixed-up ones")


def _score(subject: Score, truth: np.ndarray, answer: np.ndarray) -> float:
    metric = subject.component.load()()
    metric.update(truth, answer)
    return float(metric.compute())


def _perfect(needs: str, truth: np.ndarray) -> np.ndarray:
    return np.eye(2)[truth] * 0.98 + 0.01 if needs == "proba" else truth


def _views(needs: str) -> tuple[Any, Any]:
    """Truth and answers of two classes, two labels, or numbers, as the core's tasks give them."""
    rng = np.random.default_rng(0)
    labels = np.arange(_N) % 2
    if needs == "labels":
        return labels, np.where(rng.random(_N) < 0.8, labels, 1 - labels)
    if needs == "indicators":
        truth = np.stack([labels, np.arange(_N) // 2 % 2], axis=1)
        return truth, np.where(rng.random(truth.shape) < 0.8, truth, 1 - truth)
    if needs == "proba":
        one = np.clip(labels * 0.4 + 0.6 * rng.random(_N), 0.01, 0.99)
        return labels, np.stack([1 - one, one], axis=1)
    if needs == "values":
        values = 1 + rng.random(_N)
        return values, values + 0.1 * rng.normal(size=_N)
    raise NotTried(f"it reads {needs!r}; the tasks that name it try it")
