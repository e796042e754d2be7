"""Scores are COCO's: equal to pycocotools, and to what is worked out by hand."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from mm_detection.metrics import (
    AtHalf,
    AtThreeQuarters,
    MeanAveragePrecision,
    MeanAverageRecall,
    _annotations,
    _results,
)

from mm_core.api import MetricError

NAMES = ["a", "b", "c", "d"]


def pictures(n=30, seed=0):
    """True boxes of all sizes, some of them to be ignored, and what somebody found of them."""
    rng = np.random.default_rng(seed)
    truth, said = [], []
    for _ in range(n):
        count = int(rng.integers(0, 9))
        corner, side = rng.uniform(0, 300, (count, 2)), rng.uniform(4, 160, (count, 2))
        codes = rng.integers(0, 3, count)  # of class d there is none
        ignored = rng.random(count) < 0.15
        boxes = np.column_stack([corner, corner + side, codes, ignored])
        seen = boxes[rng.random(count) < 0.8]
        moved = seen[:, :4] + rng.normal(0, 6, (len(seen), 4))
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        wrong = np.where(rng.random(len(seen)) < 0.2, rng.integers(0, 4, len(seen)), seen[:, 4])
        extra = rng.uniform(0, 200, (3, 4))
        extra[:, 2:] += extra[:, :2]
        found = np.concatenate(
            [np.column_stack([moved, wrong]), np.column_stack([extra, [0, 1, 3]])]
        )
        truth.append(boxes)
        said.append(np.column_stack([found, np.round(rng.random(len(found)), 2)]))
    return truth, said


def update(metric, truth, said, codes=None):
    metric.update(
        [{"boxes": one, "names": NAMES} for one in truth],
        [{"boxes": one, "codes": codes} for one in said],
    )
    return metric


def reference(truth, said):
    """pycocotools' twelve numbers, and average precision by class."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        true = COCO()
        true.dataset = {
            "images": [{"id": number} for number in range(len(truth))],
            "categories": [{"id": code} for code in range(3)],
            "annotations": list(_annotations(truth)),
        }
        true.createIndex()
        found = true.loadRes([one for one in _results(said) if one["category_id"] < 3])
        evaluation = COCOeval(true, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    return evaluation.stats, [precision[:, :, code].mean() for code in range(3)]


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_pycocotools(seed):
    truth, said = pictures(seed=seed)
    stats, by_class = reference(truth, said)
    metric = MeanAveragePrecision()
    update(metric, truth[:11], said[:11])
    update(metric, truth[11:], said[11:])
    names = ["50", "75", "small", "medium", "large", "mar_1", "mar_10", "mar_100", "mar_small"]
    names += ["mar_medium", "mar_large"]
    assert metric.compute() == pytest.approx(stats[0], abs=1e-6)
    details = metric.details()
    for name, wanted in zip(names, stats[1:], strict=True):
        assert details[name] == pytest.approx(wanted, abs=1e-6), name
    for code, wanted in enumerate(by_class):
        assert details[f"class.{NAMES[code]}"] == pytest.approx(wanted, abs=1e-6)
    assert "class.d" not in details
    for other, place in ((AtHalf, 1), (AtThreeQuarters, 2), (MeanAverageRecall, 8)):
        score = update(other(), truth, said).compute()
        assert score == pytest.approx(stats[place], abs=1e-6)


A, B = [0, 0, 10, 10, 0], [20, 20, 30, 30, 0]


def score(*rows):
    truth = [np.array([[*box, 0] for box in true], float).reshape(-1, 6) for true, _ in rows]
    said = [np.array(found, float).reshape(-1, 6) for _, found in rows]
    return update(MeanAveragePrecision(), truth, said).compute()


def test_scores_are_those_worked_out_by_hand():
    """At 101 levels of recall."""
    assert score(([A, B], [[*A, 0.9], [*B, 0.8]])) == 1
    assert score(([A, B], [[*A, 0.9]])) == pytest.approx(51 / 101)  # recall ends at one half
    wrong = [[50, 50, 60, 60, 0, 0.95], [*A, 0.9]]
    assert score(([A], wrong)) == pytest.approx(0.5)
    assert score(([A], [[0, 0, 10, 10, 1, 0.9]])) == 0
    assert score(([A], [])) == 0
    with pytest.raises(MetricError, match="no row has a box"):
        score(([], [[*A, 0.9]]))


def test_curves_of_each_class_are_those_that_its_score_is_the_mean_of():
    metric = MeanAveragePrecision()
    wrong = [[50, 50, 60, 60, 0, 0.95], [*A, 0.9]]
    update(metric, [np.array([[*A, 0], [20, 20, 30, 30, 1, 0]], float)], [np.array(wrong, float)])
    metric.compute()
    half, overlaps = metric.curves()
    recall, precision = half.lines["a (0.500)"]
    assert recall.tolist() == pytest.approx(np.linspace(0, 1, 101).tolist())
    assert precision.tolist() == pytest.approx([0.5] * 101)  # one wrong box before the right one
    assert half.lines["b (0.000)"][1].max() == 0  # it was not found
    assert list(overlaps.lines) == ["a", "b"]  # c and d are not there
    along, up = overlaps.lines["a"]
    assert along.tolist() == pytest.approx(np.linspace(0.5, 0.95, 10).tolist())
    assert up.tolist() == pytest.approx([0.5] * 10)


def test_only_classes_that_are_asked_for_count():
    truth, said = pictures()
    one = update(MeanAveragePrecision(), truth, said, codes=frozenset({1}))
    every = update(MeanAveragePrecision(), truth, said)
    assert one.compute() == pytest.approx(every.details()["class.b"])
