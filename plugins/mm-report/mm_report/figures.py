"""Which drawings fit a task's answers, and what they say in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

from mm_core.api import Curves, tools
from mm_report import plots
from mm_report.ask import evenly
from mm_report.plots import Plots
from mm_report.tested import Tested

CLASS = "class."
"""What the names of a metric's details begin with that are of one class."""

MOST_CURVES = 8
MOST_CLASSES = 20
MOST_PAIRS = 15
MOST_POINTS = 1500
BINS = 10


@dataclass(frozen=True)
class Drawing:
    """A drawing with its heading.

    Attributes:
        title: of it.
        svg: an element.
        note: a sentence below.
    """

    title: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class Confusion:
    """Truth against answer.

    Attributes:
        classes: in order.
        counts: ``counts[truth][answer]``; empty where there are too many classes.
        pairs: (truth, answer, rows) that are confused most.
    """

    classes: list[str]
    counts: list[list[int]] = field(default_factory=list)
    pairs: list[tuple[str, str, int]] = field(default_factory=list)


def confusion(tested: Tested) -> Confusion | None:
    """Of tasks that answer with one class."""
    if tested.form != "classes":
        return None
    n, true = len(tested.classes), tested.true("labels").astype(int)
    found = np.zeros((n, n), dtype=int)
    np.add.at(found, (true, np.asarray(tested.decoded.views["labels"]).astype(int)), 1)
    off = found - np.diag(np.diag(found))
    order = np.argsort(-off, axis=None, kind="stable")[:MOST_PAIRS]
    pairs = [
        (tested.classes[one // n], tested.classes[one % n], int(off.flat[one]))
        for one in order
        if off.flat[one]
    ]
    return Confusion(tested.classes, found.tolist() if n <= MOST_CLASSES else [], pairs)


def drawings(tested: Tested, plots_: Plots) -> list[Drawing]:
    """As fits the answers, and what the eval metric has to draw."""
    if tested.form == "number":
        found = _of_number(tested, plots_)
    elif tested.form in ("classes", "labels"):
        found = _of_classes(tested, plots_)
    else:
        found = _of_others(tested, plots_)
    return [*found, *(_of_metric(one, plots_) for one in tested.curves)]


def _of_metric(curves: Curves, plots_: Plots) -> Drawing:
    kept = {name: _thinned(*line) for name, line in list(curves.lines.items())[:MOST_CURVES]}
    left = len(curves.lines) - len(kept)
    note = f"{left} more lines are not drawn." if left else ""
    draw = partial(plots.lines, curves=kept, x=curves.x, y=curves.y)
    named = ", ".join(name for name in kept if name)
    said = f"{curves.title}: {curves.y} along {curves.x}{f' of {named}' if named else ''}"
    return Drawing(curves.title, plots_.draw(said, draw), note)


# ---- classes and labels ------------------------------------------------------------------------


def _of_classes(tested: Tested, plots_: Plots) -> list[Drawing]:
    assert tested.proba is not None
    proba, true = tested.proba, tested.true("proba")
    if true.ndim == 1:
        true = np.eye(len(tested.classes), dtype=int)[true.astype(int)]
    chosen, note = _curved(tested, true)
    found = []
    if chosen:
        found = [_roc(chosen, tested, true, note, plots_), _pr(chosen, tested, true, note, plots_)]
    return [*found, _calibration(tested, proba, true, plots_)]


def _curved(tested: Tested, true: np.ndarray) -> tuple[list[int], str]:
    """Classes that curves are drawn of: those with rows inside and outside."""
    counts = true.sum(axis=0)
    known = [one for one in range(len(counts)) if 0 < counts[one] < len(true)]
    if tested.form == "classes" and len(counts) == 2:
        positive = str(tested.task.positive_class)
        at = tested.classes.index(positive) if positive in tested.classes else 1
        return [one for one in known if one == at], ""
    frequent = sorted(known, key=lambda one: -counts[one])[:MOST_CURVES]
    if len(frequent) == len(counts):
        return frequent, "Each against the rest."
    return frequent, f"Each against the rest: {len(frequent)} of {len(counts)}, the most frequent."


def _roc(chosen: list[int], tested: Tested, true: np.ndarray, note: str, plots_: Plots) -> Drawing:
    curves, said = {}, []
    for one in chosen:
        wrong, right, _ = roc_curve(true[:, one], tested.proba[:, one])
        area = auc(wrong, right)
        name = f"{tested.classes[one]} ({area:.3f})"
        curves[name] = _thinned(wrong, right)
        said.append(name)

    def draw(axes: Any) -> None:
        plots.lines(axes, curves, "share of the others taken for it", "share of it that is found")
        plots.diagonal(axes, 0, 1)

    title = "ROC curve"
    return Drawing(title, plots_.draw(f"{title}; area by class: {', '.join(said)}", draw), note)


def _pr(chosen: list[int], tested: Tested, true: np.ndarray, note: str, plots_: Plots) -> Drawing:
    curves, said = {}, []
    for one in chosen:
        precision, recall, _ = precision_recall_curve(true[:, one], tested.proba[:, one])
        area = average_precision_score(true[:, one], tested.proba[:, one])
        name = f"{tested.classes[one]} ({area:.3f})"
        curves[name] = _thinned(recall, precision)
        said.append(name)
    title = "Precision and recall"
    draw = partial(plots.lines, curves=curves, x="recall", y="precision")
    return Drawing(title, plots_.draw(f"{title}; average precision: {', '.join(said)}", draw), note)


def _thinned(along: np.ndarray, up: np.ndarray, most: int = 300) -> tuple[Any, Any]:
    kept = evenly(len(along), most)
    return along[kept], up[kept]


def _calibration(tested: Tested, proba: np.ndarray, true: np.ndarray, plots_: Plots) -> Drawing:
    if tested.form == "classes":
        answered = np.asarray(tested.decoded.views["labels"]).astype(int)
        every = np.arange(len(proba))
        sure, right = proba[every, answered], true[every, answered].astype(float)
        what, up = "probability of the answer", "share of answers that are right"
    else:
        sure, right = proba.ravel(), true.ravel().astype(float)
        what, up = "probability of a label", "share of rows that have it"
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    there = [one for one in range(BINS) if (place == one).any()]
    means = [float(sure[place == one].mean()) for one in there]
    shares = [float(right[place == one].mean()) for one in there]
    weight = [float((place == one).mean()) for one in there]
    error = sum(w * abs(a - b) for w, a, b in zip(weight, means, shares, strict=True))

    def draw(axes: Any) -> None:
        plots.diagonal(axes, 0, 1)
        plots.lines(axes, {"": (means, shares)}, what, up, markers=True)

    note = (
        f"On the dotted line probabilities say how often answers are right. "
        f"Mean distance {error:.3f} (expected calibration error, {BINS} bins)."
    )
    return Drawing("Calibration", plots_.draw(f"Calibration curve. {note}", draw), note)


# ---- numbers, and all others -------------------------------------------------------------------


def _of_number(tested: Tested, plots_: Plots) -> list[Drawing]:
    answer = np.asarray(tested.decoded.views["values"], dtype=np.float64)
    true = tested.true("values").astype(np.float64)
    kept = evenly(len(true), MOST_POINTS)
    low, high = float(min(true.min(), answer.min())), float(max(true.max(), answer.max()))
    note = "" if len(kept) == len(true) else f"{len(kept):,} of {len(true):,} rows."

    def against(axes: Any) -> None:
        plots.points(axes, true[kept], answer[kept], "truth", "answer")
        plots.diagonal(axes, low, high)

    apart = answer - true
    bias = f"Mean {apart.mean():.4g}, standard deviation {apart.std():.4g}."
    residuals = partial(plots.counts, values=apart, x="answer - truth")
    return [
        Drawing("Answer against truth", plots_.draw("Answers against the truth", against), note),
        Drawing("Residuals", plots_.draw(f"Histogram of residuals. {bias}", residuals), bias),
    ]


def by_class(details: Mapping[str, float]) -> dict[str, float]:
    """Of a metric's details those of classes, by their names, the greatest first."""
    found = {
        name.removeprefix(CLASS): value for name, value in details.items() if name.startswith(CLASS)
    }
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def _of_others(tested: Tested, plots_: Plots) -> list[Drawing]:
    metric = tested.recipe.data.eval_metric
    name = tools.short_name(metric)
    each = _each_class(by_class(tested.details), name, plots_)
    values = tested.wrong.values
    values = values[np.isfinite(values)]
    if not len(values):
        return each
    values = -values if tested.metrics.higher_is_better(metric) else values
    said = f"{name} of each row alone; median {np.median(values):.3g}"
    drawn = plots_.draw(said, partial(plots.counts, values=values, x=name))
    note = f"Of {len(values):,} rows for which it is defined."
    return [*each, Drawing(f"{name} by row", drawn, note)]


def _each_class(found: Mapping[str, float], name: str, plots_: Plots) -> list[Drawing]:
    """Bars, of many classes those with the least and the greatest."""
    if not found:
        return []
    names = list(found)
    half = MOST_CLASSES // 2
    kept = names if len(names) <= MOST_CLASSES else [*names[:half], *names[-half:]]
    values = [found[one] for one in kept]

    def draw(axes: Any) -> None:
        plots.bars(axes, kept, values, [0.0] * len(kept))
        axes.set_xlabel(name)

    said = ", ".join(f"{one} {value:.3g}" for one, value in zip(kept, values, strict=True))
    left = len(names) - len(kept)
    note = f"{left} classes between the greatest and the least are in the table." if left else ""
    height = 0.8 + 0.3 * len(kept)
    drawn = plots_.draw(f"{name} by class: {said}", draw, height=height)
    return [Drawing(f"{name} by class", drawn, note)]


# ---- training ----------------------------------------------------------------------------------


def training_curves(history: list[dict[str, Any]], metric: str, plots_: Plots) -> list[Drawing]:
    """Loss and validation score by epoch; none where the fit told nothing."""
    found = []
    for key, title in (("loss", "Training loss"), (metric, f"Validation {metric}")):
        along, up = curve(history, key)
        if len(up) > 1:
            draw = partial(
                plots.lines, curves={"": (along, up)}, x=plots.EPOCH, y=key, markers=len(up) < 60
            )
            said = f"{title}: from {up[0]:.4g} to {up[-1]:.4g}"
            found.append(Drawing(title, plots_.draw(said, draw)))
    return found


def curve(history: list[dict[str, Any]], key: str) -> tuple[list[float], list[float]]:
    """Epochs and values of what is a number in the records of a fit; of its last attempt."""
    last = max((one.get("attempt", 1.0) for one in history), default=1.0)
    rows = [one for one in history if one.get("attempt", last) == last and _number(one.get(key))]
    return [_along(one, place) for place, one in enumerate(rows)], [one[key] for one in rows]


def _along(record: dict[str, Any], place: int) -> float:
    epoch = record.get("epoch")
    return float(epoch) if _number(epoch) else float(place)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))
