"""What every metric keeps by itself, on answers of the kit or of a task that names it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from mm_core.api.metrics import CurvedMetric, Curves, DetailedMetric
from mm_core.api.specs import MetricSpec, TaskSpec
from mm_core.testing.outcome import NotTried, expect
from mm_core.testing.sampled import each_built
from mm_core.testing.stubs import Built, as_numpy, predicted
from mm_core.testing.subject import Subject

Score = Subject[MetricSpec]

_N = 20
_KNOWN = ("labels", "indicators", "proba", "values")
"""Views of which the kit makes up truth and answers."""


def check_forgets_when_reset(subject: Score) -> None:
    """After reset the score is that of the new rows alone; in parts it is that of the whole."""
    whole_rows, parts_of_it = _updates(subject)
    metric = subject.component.load()()
    metric.update(*whole_rows)
    whole = float(metric.compute())
    expect(math.isfinite(whole), f"it gives {whole}")
    metric.reset()
    for part in parts_of_it:
        metric.update(*part)
    parts = float(metric.compute())
    expect(math.isclose(whole, parts, abs_tol=1e-9), f"{whole} at once is {parts} in two parts")


def check_details_are_those_of_the_rows(subject: Score) -> None:
    """Its further numbers are finite, are the same in parts, and change no score."""
    whole_rows, parts_of_it = _updates(subject)
    metric = subject.component.load()()
    if not isinstance(metric, DetailedMetric):
        raise NotTried("it has no details()")
    metric.update(*whole_rows)
    score, whole = float(metric.compute()), dict(metric.details())
    bad = [name for name, value in whole.items() if not math.isfinite(value)]
    expect(not bad, f"details {bad} are not finite; leave out what is not defined")
    again = float(metric.compute())
    expect(again == score, f"after details() the score {score} is {again}")
    metric.reset()
    for part in parts_of_it:
        metric.update(*part)
    metric.compute()
    parts = dict(metric.details())
    same = whole.keys() == parts.keys() and all(
        math.isclose(whole[name], parts[name], abs_tol=1e-9) for name in whole
    )
    expect(same, f"{whole} at once is {parts} in two parts")


def check_curves_can_be_drawn(subject: Score) -> None:
    """Its curves are lines of finite numbers, are the same in parts, and change no score."""
    whole_rows, parts_of_it = _updates(subject)
    metric = subject.component.load()()
    if not isinstance(metric, CurvedMetric):
        raise NotTried("it has no curves()")
    metric.update(*whole_rows)
    score, whole = float(metric.compute()), list(metric.curves())
    for drawn in whole:
        expect(bool(drawn.lines), f"{drawn.title!r} has no line; leave it out")
        for name, (along, up) in drawn.lines.items():
            fits = np.ndim(along) == 1 and np.shape(along) == np.shape(up) and len(along) > 0
            shapes = f"{np.shape(along)} and {np.shape(up)}"
            expect(fits, f"{name!r} of {drawn.title!r}: {shapes}; both are [n] of numbers")
            finite = np.isfinite(along).all() and np.isfinite(up).all()
            expect(bool(finite), f"{name!r} of {drawn.title!r} is not finite; leave points out")
    again = float(metric.compute())
    expect(again == score, f"after curves() the score {score} is {again}")
    metric.reset()
    for part in parts_of_it:
        metric.update(*part)
    metric.compute()
    expect(_alike(whole, list(metric.curves())), "curves at once and in two parts are not alike")


def _alike(some: list[Curves], others: list[Curves]) -> bool:
    """The same lines, but for rounding."""
    return [one.title for one in some] == [one.title for one in others] and all(
        one.lines.keys() == other.lines.keys()
        and all(
            np.shape(line) == np.shape(other.lines[name]) and np.allclose(line, other.lines[name])
            for name, line in one.lines.items()
        )
        for one, other in zip(some, others, strict=True)
    )


def check_points_the_right_way(subject: Score) -> None:
    """Perfect answers score better than mixed-up ones."""
    if subject.spec.needs not in _KNOWN:
        raise NotTried(
            f"{_tried_through(subject).component.id} gives {subject.spec.needs!r}: its fit end to "
            "end tries it"
        )
    truth, _ = _views(subject.spec.needs)
    perfect = _perfect(subject.spec.needs, truth)
    order = np.random.default_rng(1).permutation(_N)
    right, wrong = (_score(subject, truth, answer) for answer in (perfect, perfect[order]))
    better = right > wrong if subject.spec.higher_is_better else right < wrong
    expect(better, f"it is {right:.4g} for perfect answers and {wrong:.4g} for mixed-up ones")


def _updates(subject: Score) -> tuple[tuple[Any, Any], list[tuple[Any, Any]]]:
    """Truth and answers of some rows, and of the same in two parts."""
    halves = slice(0, _N // 2), slice(_N // 2, None)
    if subject.spec.needs in _KNOWN:
        truth, answer = _views(subject.spec.needs)
        return (truth, answer), [(truth[half], answer[half]) for half in halves]
    built, _ = next(each_built(_tried_through(subject)))
    rows = list(range(min(_N, len(built.batch))))
    return _view(subject, built, rows), [_view(subject, built, rows[half]) for half in halves]


def _view(subject: Score, built: Built, rows: list[int]) -> tuple[Any, Any]:
    """Truth and answers of these rows as the task gives them, whose model has learned nothing."""
    task, some = built.topology.task, built.rows(rows)
    views = task.decode(predicted(replace(built, batch=some)), some.meta, built.options).views
    needs = subject.spec.needs
    expect(needs in views, f"it needs {needs!r}, and the views are {', '.join(views)}")
    return task.truth(as_numpy(some.targets), needs), views[needs]


def _tried_through(subject: Score) -> Subject[TaskSpec]:
    """A task of its plugin that names it, and gives what it reads: one whose first metric reads
    the same, where there is one, for it answers with little else.
    """
    spec, registry = subject.spec, subject.registry
    own = {spec.name, subject.component.id}
    tasks = [
        task
        for task in registry.all(TaskSpec)
        if task.plugin == subject.component.plugin
        and own & {task.spec.default_metric, *task.spec.metrics}
    ]
    if not tasks:
        raise NotTried(f"it reads {spec.needs!r}, and no task of its plugin names it")
    alike = [one for one in registry.all(MetricSpec) if one.spec.needs == spec.needs]
    names = {name for one in alike for name in (one.id, one.spec.name)}
    return subject.beside(min(tasks, key=lambda task: task.spec.default_metric not in names))


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
    raise LookupError(needs)
