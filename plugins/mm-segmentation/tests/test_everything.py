"""Segment everything: SAM without prompts and without a fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from mm_image.api import runs_to_mask
from mm_segmentation import sam_models
from mm_segmentation.samples import SIDE, drawn, png
from PIL import Image
from transformers import (
    MaskGenerationPipeline,
    Sam2ImageProcessor,
    Sam2Model,
    Sam3ImageProcessor,
    Sam3TrackerModel,
    SamHQModel,
    SamImageProcessor,
    SamModel,
)
from transformers.models.sam.modeling_sam import SamImageSegmentationOutput
from typer.testing import CliRunner

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, RecipeError
from mm_core.cli.app import app

EVERY = {"points_per_side": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
"""A random SAM thinks little of its masks."""

BOTH = {
    "sam": SamImageProcessor(size={"longest_edge": SIDE}, pad_size={"height": SIDE, "width": SIDE}),
    "sam_hq": SamImageProcessor(
        size={"longest_edge": SIDE}, pad_size={"height": SIDE, "width": SIDE}
    ),
    "sam2": Sam2ImageProcessor(size={"height": SIDE, "width": SIDE}),
    "sam3_tracker": Sam3ImageProcessor(size={"height": SIDE, "width": SIDE}),
}
MODELS = {
    "sam": SamModel,
    "sam_hq": SamHQModel,
    "sam2": Sam2Model,
    "sam3_tracker": Sam3TrackerModel,
}


def checkpoint(folder: Path, kind: str) -> Path:
    torch.manual_seed(0)
    sam_models.fresh(sam_models.sized(sam_models.tiny(kind, SIDE), SIDE)).save_pretrained(folder)
    return folder


def everything(folder: Path) -> MultiModalPredictor:
    settings = {
        "backbones.picture_image.checkpoint": str(folder),
        "inputs.picture_image.processor.image_size": SIDE,
    }
    return MultiModalPredictor(
        problem_type="mask_generation", hyperparameters=settings, verbosity=0
    )


@pytest.mark.parametrize(
    "kind",
    [
        "sam",
        "sam2",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("sam_hq", "sam3_tracker")),
    ],
)
def test_things_are_those_of_the_pipeline_of_transformers(kind, tmp_path):
    folder = checkpoint(tmp_path / "sam", kind)
    picture = drawn(1)[0][:, :SIDE]
    frame = pd.DataFrame({"photo": [picture, None]})
    things, none = everything(folder).predict(frame, box_nms_thresh=1, points_per_batch=7, **EVERY)
    assert none is None
    model = MODELS[kind].from_pretrained(folder)
    pipeline = MaskGenerationPipeline(model=model, image_processor=BOTH[kind], device="cpu")
    theirs = pipeline(
        Image.fromarray(picture),
        points_per_crop=4,
        pred_iou_thresh=0,
        stability_score_thresh=0,
        crops_nms_thresh=1,
        output_bboxes_mask=True,
    )
    assert len(things) == len(theirs["masks"]) > 10
    for one, mask, score, box in zip(
        things, theirs["masks"], theirs["scores"], theirs["bounding_boxes"], strict=True
    ):
        ours = runs_to_mask(one["mask"]).astype(bool)
        assert (ours != mask.numpy()).mean() < 0.01
        assert one["score"] == pytest.approx(float(score), abs=1e-3)
        assert one["area"] == ours.sum()
        y, x = np.nonzero(ours)
        assert one["box"] == [x.min(), y.min(), x.max() + 1, y.max() + 1]
        assert np.abs(np.subtract(one["box"], [0, 0, 1, 1]) - box.numpy()).max() <= 1


def discs(self, input_points, image_embeddings, **_):
    """Three discs around each point: a random SAM's masks lie everywhere, and each is cut off."""
    y, x = torch.meshgrid(torch.arange(16) * 4.0 + 2, torch.arange(16) * 4.0 + 2, indexing="ij")
    places = input_points[:, :, 0, :, None, None]  # [1, n, 2, 1, 1]
    apart = (x - places[:, :, 0]) ** 2 + (y - places[:, :, 1]) ** 2
    masks = torch.stack([radius**2 - apart for radius in (6, 11, 25)], dim=2)
    where = 0.37 * input_points[:, :, 0, :1] + 0.11 * input_points[:, :, 0, 1:]
    sure = torch.sin(where + torch.arange(3) + 30 * image_embeddings.mean())
    return SamImageSegmentationOutput(iou_scores=0.5 + 0.4 * sure, pred_masks=masks)


@pytest.mark.parametrize("overlap", [0.4, pytest.param(1.0, marks=pytest.mark.slow)])
def test_things_of_parts_are_those_of_the_pipeline_of_transformers(overlap, tmp_path, monkeypatch):
    folder = checkpoint(tmp_path / "sam", "sam")
    monkeypatch.setattr(SamModel, "forward", discs)
    y, x = np.mgrid[:112, :144] / 9.0  # smooth: both scale it alike
    waves = (np.sin(y) * np.cos(x), np.sin(x + y / 2), np.cos(y - x / 3))
    picture = np.stack([127 + 60 * one + 20 * x / 7 for one in waves], axis=2).astype(np.uint8)
    frame = pd.DataFrame({"photo": [picture, None]}, index=["a", "b"])
    predictor = everything(folder)
    found = predictor.predict_crops(frame, box_nms_thresh=overlap, **EVERY)
    assert found["b"] is None
    pipeline = MaskGenerationPipeline(
        model=SamModel.from_pretrained(folder), image_processor=BOTH["sam"], device="cpu"
    )
    theirs = pipeline(
        Image.fromarray(picture),
        points_per_crop=4,
        pred_iou_thresh=0,
        stability_score_thresh=0,
        crops_n_layers=1,
        crops_nms_thresh=overlap,
        output_bboxes_mask=True,
    )
    assert len(found["a"]) == len(theirs["masks"]) > 10
    for one, mask, score in zip(found["a"], theirs["masks"], theirs["scores"], strict=True):
        ours, mask = runs_to_mask(one["mask"]).astype(bool), mask.numpy()
        assert (ours & mask).sum() > 0.95 * (ours | mask).sum()
        assert one["score"] == pytest.approx(float(score), abs=1e-3)
    # Fewer points in the parts, which transformers (5.24) fails at; and no part at all.
    fewer = predictor.predict_crops(frame[:1], downscale=4, box_nms_thresh=overlap, **EVERY)["a"]
    alone = predictor.predict_crops(frame[:1], layers=0, box_nms_thresh=overlap, **EVERY)["a"]
    assert alone == predictor.predict(frame[:1], box_nms_thresh=overlap, **EVERY)["a"]
    assert len(alone) < len(fewer) < len(found["a"])
    numbers = predictor.predict_crops(frame[:1], form="map", downscale=4, **EVERY)["a"]
    assert numbers.shape == (112, 144)
    with pytest.raises(ConfigError, match="downscale=5: no point is asked") as caught:
        predictor.predict_crops(frame, downscale=5, **EVERY)
    assert "4 points a side" in caught.value.remedy


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Three pictures, of which the second is wider and the third a single pixel."""
    folder = tmp_path_factory.mktemp("rows")
    pictures = [drawn(2)[0], drawn(1, wider=32)[0], np.full((1, 1, 3), 200, np.uint8)]
    for number, picture in enumerate(pictures):
        (folder / f"{number}.png").write_bytes(png(picture))
    names = [f"{number}.png" for number in range(3)]
    pd.DataFrame({"photo": names}).to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


def run(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_terminal_keeps_such_a_model_without_its_checkpoint(rows, tmp_path):
    folder = checkpoint(tmp_path / "sam", "sam")
    found = everything(folder).predict(rows, **EVERY)
    sets = (
        f"backbones.picture_image.checkpoint={folder}",
        f"inputs.picture_image.processor.image_size={SIDE}",
        "training.epochs=0",
    )
    words = [word for one in sets for word in ("--set", one)]
    run("fit", rows, "--problem-type", "mask_generation", "--out", tmp_path / "m", *words)
    folder.rename(tmp_path / "gone")
    options = [word for k, v in EVERY.items() for word in ("--option", f"{k}={v}")]
    run("predict", tmp_path / "m", rows, "--out", tmp_path / "said.jsonl", *options)
    lines = (tmp_path / "said.jsonl").read_text().splitlines()
    said = [json.loads(line)["things"] for line in lines]
    assert said == found.tolist()
    shapes = [tuple(one["mask"]["size"]) for things in said for one in things[:1]]
    assert shapes[:2] == [(SIDE, SIDE), (SIDE, SIDE + 32)]
    run("predict", tmp_path / "m", rows, "--out", tmp_path / "each", *options)
    files = pd.read_csv(tmp_path / "each/answers.csv")["things"]
    assert [json.loads((tmp_path / "each" / one).read_text()) for one in files] == said
    options += ["--option", "form=map"]
    run("predict", tmp_path / "m", rows, "--out", tmp_path / "maps", *options)
    for row, things in enumerate(said):
        numbers = np.asarray(Image.open(tmp_path / f"maps/masks/{row:06d}.png"))
        inside = np.zeros(numbers.shape, bool)
        for one in things:
            inside |= runs_to_mask(one["mask"]).astype(bool)
        assert ((numbers > 0) == inside).all()
        assert set(np.unique(numbers)) <= set(range(len(things) + 1))
    covered = json.loads(run("evaluate", tmp_path / "m", rows, "--json", *options))["scores"]
    assert 0 < covered["covered"] <= 1
    assert MultiModalPredictor.load(tmp_path / "m").predict(rows).tolist()[0] == []  # unsure of all


def test_only_a_sam_finds_everything(rows):
    settings = {
        "backbones.picture_image": {"id": "segmentation:timm", "checkpoint": "random"},
        "inputs.picture_image.processor.image_size": SIDE,
    }
    predictor = MultiModalPredictor(
        problem_type="mask_generation", hyperparameters=settings, verbosity=0
    )
    with pytest.raises(RecipeError, match="everything is found by one SAM") as caught:
        predictor.predict(rows)
    assert "segmentation:sam" in caught.value.remedy
