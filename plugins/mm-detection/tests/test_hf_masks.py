"""Masks of things by models of transformers: learned, saved, started from a folder, adapted."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from mm_detection.hf_masks import bounds
from mm_detection.outlines import painted
from mm_detection.samples import SIDE
from mm_detection.tiny import tiny_config
from mm_image.api import runs_to_mask
from transformers import AutoModelForUniversalSegmentation

from mm_core import MultiModalPredictor
from mm_core.api import CheckpointError, ConfigError, MMWarning, tools

READER = "backbones.picture_image"
SQUARE = "inputs.picture_image.processor.image_size"


@pytest.fixture(scope="module")
def rows(shapes):
    """The second has nothing in it."""
    made = shapes(3)
    return made.assign(things=[[] if row == 1 else cell for row, cell in enumerate(made.things)])


@pytest.fixture(scope="module")
def settings():
    return {
        f"{READER}.id": "detection:hf_masks",
        f"{READER}.checkpoint": "random",
        SQUARE: SIDE,
        "inputs.picture_image.processor.augment": "none",
        "inputs.picture_image.processor.flip": False,
        "training.epochs": 1,
        "training.batch_size": 2,
    }


def fit(rows, settings, weight=None, **more):
    predictor = MultiModalPredictor(
        "things",
        problem_type="instance_segmentation",
        hyperparameters={**settings, **more},
        verbosity=0,
    )
    return predictor.fit(rows, tuning_data=rows[2:], sample_weight=weight)


def network(predictor):
    return tools.model_of(predictor).topology.detector


@pytest.fixture(scope="module")
def fitted(rows, settings):
    return fit(rows, settings)


@pytest.mark.parametrize(
    "kind",
    [
        None,
        pytest.param("maskformer", marks=pytest.mark.slow),
        pytest.param("eomt", marks=pytest.mark.slow),
    ],
)
def test_a_model_comes_back_with_its_masks(rows, settings, fitted, kind, tmp_path):
    """Masks are of the size of their pictures, and lie in their boxes."""
    predictor = fit(rows, settings, **{f"{READER}.random_model": kind}) if kind else fitted
    expected = predictor.predict(rows, score_threshold=0.0, most=5)
    again = MultiModalPredictor.load(predictor.save(tmp_path / "model"), verbosity=0)
    assert again.predict(rows, score_threshold=0.0, most=5).tolist() == expected.tolist()
    seen = 0
    for row, things in enumerate(expected):
        for x1, y1, x2, y2, name, score, runs in things:
            mask = runs_to_mask(runs)
            assert mask.shape == (SIDE, SIDE + 32 * (row % 2))
            assert name in ("disc", "triangle")
            assert 0 < score <= 1
            y, x = np.nonzero(mask)
            if len(x) and row != 1:  # with nothing beside the picture in the square
                assert x1 - 1 <= x.min() <= x.max() <= x2 + 1
                assert y1 - 1 <= y.min() <= y.max() <= y2 + 1
                seen += 1
    assert seen > 5


def test_rows_are_weighed_and_crowded_pictures_are_told_of(rows, settings):
    """A picture with more things than queries is learned as far as it goes."""
    crowd = rows.iloc[[0, 2, 0]].reset_index(drop=True)  # of one size
    crowd = crowd.assign(things=[rows.things[0] * 13] * 3, weight=[1.0, 0.0, 2.0])
    with pytest.warns(MMWarning, match="a picture has 13 things and the model finds 12 at most"):
        predictor = fit(crowd, settings, "weight")
    assert np.isfinite(predictor.history["loss"]).all()


def test_boxes_are_of_what_is_painted():
    """To a tenth of a cell, at the border too."""
    grids = np.random.default_rng(0).random((20, 9, 9), dtype=np.float32)
    grids[0] = 0.9
    found = bounds(torch.from_numpy(grids)).numpy()
    for grid, box in zip(grids, found, strict=True):
        y, x = np.nonzero(painted(grid, (0, 0, 900, 900), (900, 900), 0.5))
        assert box * 100 == pytest.approx((x.min(), y.min(), x.max() + 1, y.max() + 1), abs=10)


# ---- checkpoints


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint as transformers saves it, of three classes that are not ours."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("checkpoint")
    model = AutoModelForUniversalSegmentation.from_config(
        tiny_config("mask2former", ["cat", "dog", "cow"], SIDE)
    )
    model.save_pretrained(path)
    about = {"size": {"height": SIDE, "width": SIDE}, "image_mean": [0.4] * 3}
    (path / "preprocessor_config.json").write_text(json.dumps(about))
    return path


def test_adapters_leave_a_checkpoint_alone(rows, settings, folder):
    """Its head is new and trained, and LoRA reaches what draws masks; the rest stays."""
    given = {f"{READER}.checkpoint": str(folder), f"{READER}.adapter": "peft:lora"}
    predictor = fit(rows, {k: v for k, v in settings.items() if k != SQUARE}, **given)
    detector = network(predictor)
    assert detector.side == SIDE
    assert detector.pretrained
    (head,) = detector.new
    assert head.out_features == 3
    empty = detector.model.criterion.empty_weight
    assert empty.tolist() == pytest.approx([1.0, 1.0, 0.1])
    stored = AutoModelForUniversalSegmentation.from_pretrained(folder).state_dict()
    drawing = 0
    for name, one in detector.named_parameters():
        plain = name.removeprefix("model.").replace(".base_layer", "")
        if "lora_B" in name:
            drawing += "mask_embedder" in name and bool(one.any())
        elif "lora" not in name and not plain.startswith("class_predictor"):
            assert torch.equal(one.detach(), stored[plain]), name
    assert drawing == 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dim_feedforward": 48}, r"layers.0.fc1.weight \[64, 32\], not \[48, 32\]"),
        ({"model_type": "oneformer"}, "'oneformer', which is none of mask2former"),
    ],
)
def test_a_folder_that_does_not_fit_says_why(rows, settings, folder, tmp_path, change, says):
    wrong = shutil.copytree(folder, tmp_path / "wrong")
    about = json.loads((wrong / "config.json").read_text())
    (wrong / "config.json").write_text(json.dumps({**about, **change}))
    with pytest.raises(CheckpointError, match=says):
        fit(rows, settings, **{f"{READER}.checkpoint": str(wrong)})


def test_a_model_of_one_size_names_it(rows, settings, tmp_path):
    """EoMT knows places of one grid only."""
    config = tiny_config("eomt", ["cat"], SIDE)
    AutoModelForUniversalSegmentation.from_config(config).save_pretrained(tmp_path)
    given = {f"{READER}.checkpoint": str(tmp_path), SQUARE: 96}
    with pytest.raises(ConfigError, match="made for squares of 64 pixels, not of 96"):
        fit(rows, settings, **given)


def test_what_is_computed_is_what_transformers_computes(fitted):
    """Its loss of the same points, and its scores and classes."""
    detector = network(fitted).eval()
    pixels = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    extent = torch.full((2, 2), SIDE)
    masks = [torch.zeros(1, SIDE, SIDE, dtype=torch.uint8), torch.zeros(0, SIDE, SIDE).byte()]
    masks[0][:, 10:40, 20:50] = 1
    classes = [torch.tensor([1]), torch.tensor([], dtype=torch.int64)]
    boxes = [torch.tensor([[20.0, 10.0, 50.0, 40.0]]), torch.zeros(0, 4)]
    arrays = {
        "pixels": pixels,
        "extent": extent,
        "wanted_boxes": boxes,
        "wanted_classes": classes,
        "wanted_masks": masks,
    }
    torch.manual_seed(0)
    features = detector({detector.input_name: arrays})
    torch.manual_seed(0)
    with torch.no_grad():
        said = detector.model(
            pixel_values=pixels, mask_labels=[one.float() for one in masks], class_labels=classes
        )
    assert features.extra["loss"].tolist() == pytest.approx([float(said.loss)] * 2)
    found = detector.find(features, extent, 12, 0.0)
    for row, one in enumerate(found):
        sure = said.masks_queries_logits[row].sigmoid().flatten(1)
        inside = sure >= 0.5
        mean = (sure * inside).sum(1) / inside.sum(1).clamp(min=1)
        scores = said.class_queries_logits[row].softmax(-1)[:, :-1] * mean[:, None]
        expected = scores[one.queries, one.classes]
        assert torch.allclose(one.scores, expected)
        assert float(one.scores.max()) == pytest.approx(float(scores.max()))


@pytest.mark.slow
def test_eight_pictures_are_learned_by_heart(shapes, settings, afresh):
    """From random weights; a new process without a network gives the same."""
    rows = shapes(8)
    long = {
        "training.epochs": 300, "training.batch_size": 8, "training.patience": 1000,
        "training.schedule": "constant", "training.head_learning_rate": 4e-3,
    }  # fmt: skip
    predictor = fit(rows, settings, **long)
    scores = predictor.evaluate(rows, metrics=["segm_map", "map"])
    assert scores["segm_map.50"] > 0.9
    assert scores["map.50"] > 0.9
    assert afresh(predictor, rows) == predictor.predict(rows).tolist()
