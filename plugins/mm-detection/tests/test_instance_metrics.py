"""Scores of masks are COCO's: equal to pycocotools, whatever form the labels have."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from mm_detection.instance_metrics import SegmAtHalf, SegmAtThreeQuarters, SegmMeanAveragePrecision
from mm_detection.instances import Masks
from mm_detection.outlines import read_outline
from pycocotools import mask as masks_of

NAMES = ["a", "b", "c", "d"]
SIZE = (260, 200)


def ellipse(rng):
    """A polygon somewhere in the picture."""
    x, y = rng.uniform(20, SIZE[0] - 20), rng.uniform(20, SIZE[1] - 20)
    wide, high = rng.uniform(5, 90, 2)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    points = np.stack([x + wide * np.cos(angles), y + high * np.sin(angles)], axis=1)
    return np.clip(points, 0, SIZE).ravel()


def pictures(n=20, seed=0):
    """True things, some of them to be ignored, as polygons and as runs; and what was found."""
    rng = np.random.default_rng(seed)
    truth, said = [], []
    for _ in range(n):
        count = int(rng.integers(0, 7))
        polygons = [ellipse(rng) for _ in range(count)]
        outlines = [read_outline([one.tolist()]) for one in polygons]
        outlines = [
            read_outline(one.pixels(SIZE)) if place % 2 else one
            for place, one in enumerate(outlines)
        ]
        boxes = [[*one.bounds, rng.integers(0, 3), rng.random() < 0.15] for one in outlines]
        truth.append(
            {
                "boxes": np.array(boxes, float).reshape(-1, 6),
                "names": NAMES,
                "outlines": outlines,
            }
        )
        grids, found = [], []
        for box, outline in zip(boxes, outlines, strict=True):
            if rng.random() < 0.2:
                continue
            shift = rng.integers(-6, 7, 2)
            grids.append(np.roll(outline.pixels(SIZE), shift, axis=(0, 1)).astype(np.float32))
            code = rng.integers(0, 4) if rng.random() < 0.2 else box[4]
            found.append([*box[:4], code, round(rng.random(), 2)])
        grids.append(read_outline([ellipse(rng).tolist()]).pixels(SIZE).astype(np.float32))
        found.append([0, 0, 9, 9, rng.integers(0, 4), round(rng.random(), 2)])
        order = np.argsort(-np.array(found)[:, 5], kind="stable")
        frames = np.tile([0.0, 0.0, *SIZE], (len(grids), 1))
        masks = Masks(np.stack(grids)[order], frames, SIZE, 1, 0.5)
        said.append({"boxes": np.array(found)[order], "codes": None, "masks": masks})
    return truth, said


def reference(truth, said):
    """pycocotools' twelve numbers."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    annotations, results = [], []
    for image, (true, found) in enumerate(zip(truth, said, strict=True)):
        for box, outline in zip(true["boxes"], true["outlines"], strict=True):
            runs = masks_of.encode(np.asfortranarray(outline.pixels(SIZE)))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(box[4]),
                    "segmentation": runs,
                    "area": float(masks_of.area(runs)),
                    "bbox": masks_of.toBbox(runs).tolist(),
                    "iscrowd": int(box[5]),
                }
            )
        for place, box in enumerate(found["boxes"]):
            pixels = found["masks"].pixels(place).astype(np.uint8)
            runs = masks_of.encode(np.asfortranarray(pixels))
            if box[4] < 3:
                results.append(
                    {
                        "image_id": image,
                        "category_id": int(box[4]),
                        "segmentation": runs,
                        "score": box[5],
                    }
                )
    with contextlib.redirect_stdout(io.StringIO()):
        true = COCO()
        true.dataset = {
            "images": [
                {"id": number, "width": SIZE[0], "height": SIZE[1]} for number in range(len(truth))
            ],
            "categories": [{"id": code} for code in range(3)],
            "annotations": annotations,
        }
        true.createIndex()
        evaluation = COCOeval(true, true.loadRes(results), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


@pytest.mark.parametrize("seed", range(2))
def test_scores_are_those_of_pycocotools(seed):
    truth, said = pictures(seed=seed)
    stats = reference(truth, said)
    metric = SegmMeanAveragePrecision()
    metric.update(truth[:7], said[:7])
    metric.update(truth[7:], said[7:])
    assert 0.05 < stats[0] < 0.95
    assert metric.compute() == pytest.approx(stats[0], abs=1e-6)
    names = ["50", "75", "small", "medium", "large", "mar_1", "mar_10", "mar_100", "mar_small"]
    names += ["mar_medium", "mar_large"]
    details = metric.details()
    for name, wanted in zip(names, stats[1:], strict=True):
        if wanted >= 0:
            assert details[name] == pytest.approx(wanted, abs=1e-6), name
    for other, place in ((SegmAtHalf(), 1), (SegmAtThreeQuarters(), 2)):
        other.update(truth, said)
        assert other.compute() == pytest.approx(stats[place], abs=1e-6)


def test_what_has_no_pixel_in_its_picture_cannot_be_missed():
    """It is left out of training too."""
    runs = read_outline([[10, 10, 60, 10, 60, 60]])
    beyond = read_outline([[300, 10, 360, 10, 360, 60]])
    found = Masks(
        runs.pixels(SIZE)[None].astype(np.float32), np.array([[0, 0, *SIZE]]), SIZE, 1, 0.5
    )
    metric = SegmMeanAveragePrecision()
    boxes = np.array([[10, 10, 60, 60, 0, 0], [300, 10, 360, 60, 0, 0]], float)
    metric.update(
        [{"boxes": boxes, "names": NAMES, "outlines": [runs, beyond]}],
        [{"boxes": np.array([[10, 10, 60, 60, 0, 0.9]]), "codes": None, "masks": found}],
    )
    assert metric.compute() == pytest.approx(1.0)
