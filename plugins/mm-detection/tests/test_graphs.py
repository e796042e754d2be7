"""Detectors as ONNX graphs: what they say is chosen from without torch, as the network does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mm_detection.configs import BoxOptions
from mm_detection.suppression import suppressed
from mm_image.api import runs_to_mask
from torchvision.ops import batched_nms

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError

READER = "backbones.picture_image"
LIKE_DETR = ("d_fine", "rt_detr_v2", "deformable_detr", "yolos")


@pytest.mark.parametrize("overlap", [0.1, 0.45, 0.8, 1.0])
def test_the_best_of_boxes_that_overlap_are_torchvisions(overlap: float) -> None:
    """Of thousands at random, of four classes, beside the picture too; a row without has none."""
    rng = np.random.default_rng(0)
    corners = rng.uniform(-40, 80, (2, 3000, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + rng.uniform(1, 40, corners.shape)], axis=2)
    arrays = {
        "boxes": boxes.astype(np.float32),
        "scores": rng.random((2, 3000, 4), dtype=np.float32) ** 4,
        "overlap": np.full(2, overlap, np.float32),
    }
    options = BoxOptions(most=70, score_threshold=0.01)
    said = suppressed(arrays, np.array([True, False]), options)
    scores, places = torch.from_numpy(arrays["scores"][0]).flatten().topk(1000)
    queries, classes = places // 4, places % 4
    candidates = torch.from_numpy(arrays["boxes"][0])[queries]
    keep = batched_nms(candidates.double() + 40, scores.double(), classes, overlap)[:70]
    assert np.array_equal(said["boxes"][0], candidates[keep])
    assert np.array_equal(said["classes"][0], classes[keep])
    assert np.array_equal(said["scores"][0], scores[keep])
    assert [len(said[name][1]) for name in ("boxes", "classes", "scores")] == [0, 0, 0]


def exported(
    predictor: MultiModalPredictor, sample: Any, folder: Path, agreement: float = 1.0
) -> MultiModalPredictor:
    """The model of the graph."""
    pytest.importorskip("mm_onnx")
    report = predictor.export(folder, format="onnx", sample=sample, agreement=agreement)
    assert report.max_abs_diff < 1e-2  # of pixels
    return MultiModalPredictor.load(folder, verbosity=0)


def expect_same(one: MultiModalPredictor, other: MultiModalPredictor, rows: Any, **options: Any):
    """Boxes to a hundredth of a pixel, classes and scores; in order, but for equal scores."""
    wanted, said = (model.predict(rows, **options).map(_sorted) for model in (one, other))
    assert wanted.map(len).tolist() == said.map(len).tolist()
    assert sum(wanted.map(len)) > 0
    for boxes in zip(wanted.explode().dropna(), said.explode().dropna(), strict=True):
        assert boxes[0][4] == boxes[1][4]
        for a, b in zip(*(box[:4] + box[5:] for box in boxes), strict=True):
            assert a == pytest.approx(b, abs=0.02)


def _sorted(boxes: list[Any]) -> list[Any]:
    return sorted(boxes, key=lambda box: (box[4], *map(round, box[:4])))


@pytest.mark.slow
@pytest.mark.parametrize("head", ["ssdlite", "fcos", "retinanet"])
def test_a_dense_detector_says_the_same(
    head: str, frame: Any, fitted: MultiModalPredictor, small: dict[str, Any], tmp_path: Path
) -> None:
    """And its scores are the same; options that choose among boxes work as before."""
    if head != "ssdlite":
        settings = {**small, f"{READER}.head": head, "training.epochs": 2}
        fitted = MultiModalPredictor("boxes", hyperparameters=settings, verbosity=0).fit(frame)
    light = exported(fitted, frame[:4], tmp_path / "light")
    rows = frame.copy()
    rows.loc[2, "photo"] = None
    expect_same(fitted, light, rows, score_threshold=0.02)
    expect_same(fitted, light, rows, score_threshold=0.02, overlap=0.2, most=3, classes=["red"])
    assert light.predict(rows, score_threshold=0.02)[2] == []
    assert light.evaluate(frame) == pytest.approx(fitted.evaluate(frame), abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", LIKE_DETR)
def test_a_detector_of_queries_says_the_same(
    kind: str, frame: Any, small: dict[str, Any], tmp_path: Path
) -> None:
    """Of transformers."""
    own = {key: value for key, value in small.items() if not key.startswith(READER)}
    settings = {f"{READER}.id": "detection:hf", f"{READER}.checkpoint": "random"}
    settings |= {f"{READER}.random_model": kind, "training.epochs": 1}
    predictor = MultiModalPredictor("boxes", hyperparameters={**own, **settings}, verbosity=0)
    predictor.fit(frame[:8], tuning_data=frame[:8])
    # Its best queries, of those of a network that knows next to nothing, come in any order.
    light = exported(predictor, frame[:4], tmp_path / "light", agreement=0.0)
    expect_same(predictor, light, frame[:6], score_threshold=0.0)


@pytest.mark.slow
def test_things_are_drawn_the_same(shapes: Any, tmp_path: Path) -> None:
    """RF-DETR-Seg: masks of the queries that are kept."""
    rows = shapes(4)
    settings = {
        f"{READER}.id": "detection:hf_instances",
        f"{READER}.checkpoint": "random",
        "inputs.picture_image.processor.image_size": 64,
        "training.epochs": 1,
    }
    predictor = MultiModalPredictor(
        "things", problem_type="instance_segmentation", hyperparameters=settings, verbosity=0
    ).fit(rows, tuning_data=rows)
    light = exported(predictor, rows, tmp_path / "light")
    wanted, said = (one.predict(rows, score_threshold=0.0, most=3) for one in (predictor, light))
    assert wanted.map(len).tolist() == said.map(len).tolist() == [3] * 4
    for a, b in zip(wanted.explode(), said.explode(), strict=True):
        assert a[4] == b[4]
        assert a[:4] == pytest.approx(b[:4], abs=0.02)
        assert np.mean(runs_to_mask(a[6]) != runs_to_mask(b[6])) < 1e-3


def test_a_detector_that_chooses_on_its_way_is_no_graph(
    frame: Any, small: dict[str, Any], tmp_path: Path
) -> None:
    """It says why, and which are; nothing is written."""
    pytest.importorskip("mm_onnx")
    settings = {**small, f"{READER}.head": "faster_rcnn", "training.max_steps": 1}
    predictor = MultiModalPredictor("boxes", hyperparameters=settings, verbosity=0)
    predictor.fit(frame[:6], tuning_data=frame[:6])
    with pytest.raises(ConfigError, match="chooses among boxes on its way") as caught:
        predictor.export(tmp_path / "light", format="onnx", sample=frame[:4])
    assert "head=fcos, retinanet or ssdlite" in str(caught.value)
    assert not (tmp_path / "light").exists()
