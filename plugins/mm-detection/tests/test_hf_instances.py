"""RF-DETR-Seg: boxes and masks out of one model, learned, saved, started from a folder, adapted."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from mm_detection.formats import DetectorFolder, InstanceFolder, unit_of
from mm_detection.plugin import mm_checkpoint_formats
from mm_detection.samples import SIDE
from mm_detection.tiny import tiny_config
from mm_image.api import runs_to_mask
from transformers import AutoModelForInstanceSegmentation

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, tools

READER = "backbones.picture_image"
SQUARE = "inputs.picture_image.processor.image_size"
IDS = {"disc": 90, "triangle": 7}


def numbered(rows):
    """Their classes have ids, with a gap and in no order."""
    cells = [[{**one, "id": IDS[one["class"]]} for one in cell] for cell in rows.things]
    return rows.assign(things=cells)


@pytest.fixture(scope="module")
def rows(shapes):
    """The second has nothing in it."""
    made = numbered(shapes(3))
    return made.assign(things=[[] if row == 1 else cell for row, cell in enumerate(made.things)])


@pytest.fixture(scope="module")
def settings():
    return {
        f"{READER}.id": "detection:hf_instances",
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
    """With weights of rows: the loss of a picture with nothing in it stands alone."""
    return fit(rows.assign(weight=[1.0, 2.0, 0.5]), settings, "weight")


def test_a_model_comes_back_with_its_boxes_masks_and_ids(rows, fitted, tmp_path):
    assert np.isfinite(fitted.history["loss"]).all()
    expected = fitted.predict(rows, score_threshold=0.0, most=5)
    again = MultiModalPredictor.load(fitted.save(tmp_path / "model"), verbosity=0)
    assert again.predict(rows, score_threshold=0.0, most=5).tolist() == expected.tolist()
    for row, things in enumerate(expected):
        assert len(things) == 5
        for *_, name, score, runs in things:
            assert runs_to_mask(runs).shape == (SIDE, SIDE + 32 * (row % 2))
            assert name in IDS
            assert 0 < score < 1
    known = {one["name"]: one["id"] for one in again.predict_coco(rows)["categories"]}
    assert known == IDS


def test_what_is_computed_is_what_transformers_computes(fitted):
    """Its loss of the same points; scores, boxes and masks. Boxes are shares of the picture."""
    detector = network(fitted).train()
    pixels = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    extent = torch.tensor([[48, SIDE], [SIDE, SIDE]])
    pixels[0, :, :, 48:] = 0
    there = torch.ones(2, SIDE, SIDE, dtype=torch.int64)
    there[0, :, 48:] = 0
    masks = [torch.zeros(1, SIDE, SIDE, dtype=torch.uint8), torch.zeros(0, SIDE, SIDE).byte()]
    masks[0][:, 8:40, 12:36] = 1
    boxes = [torch.tensor([[12.0, 8.0, 36.0, 40.0]]), torch.zeros(0, 4)]
    classes = [torch.tensor([1]), torch.tensor([], dtype=torch.int64)]
    arrays = {
        "pixels": pixels,
        "extent": extent,
        "wanted_boxes": boxes,
        "wanted_classes": classes,
        "wanted_masks": masks,
    }
    torch.manual_seed(0)
    loss = detector({detector.input_name: arrays}).extra["loss"]
    centred = torch.tensor([[24 / 48, 24 / SIDE, 24 / 48, 32 / SIDE]])
    labels = [
        {"class_labels": classes[0], "boxes": centred, "masks": masks[0].float()},
        {"class_labels": classes[1], "boxes": boxes[1], "masks": masks[1].float()},
    ]
    given = {"pixel_values": pixels, "pixel_mask": there}
    torch.manual_seed(0)
    said = detector.model(**given, labels=labels)
    assert loss.tolist() == pytest.approx([said.loss.item()] * 2, rel=1e-5)
    # Nothing in any picture: what transformers leaves of that loss is an empty tensor.
    wanted = {name: arrays[name][1:] * 2 for name in arrays if name.startswith("wanted")}
    empty = {**arrays, **wanted}
    nothing = detector({detector.input_name: empty}).extra["loss"]
    assert nothing.shape == (2,)
    assert nothing[0].item() > 0
    nothing.sum().backward()

    detector.eval()
    with torch.no_grad():
        features = detector({detector.input_name: {"pixels": pixels, "extent": extent}})
        said = detector.model(**given)
    found = [one.take(torch.arange(12)) for one in detector.find(features, extent, 12, 0.0)]
    drawn = detector.draw(features, found)
    scores = said.logits.sigmoid()
    for row, (one, grids) in enumerate(zip(found, drawn, strict=True)):
        assert torch.allclose(one.scores, scores[row].flatten().topk(12).values)
        assert torch.allclose(one.scores, scores[row][one.queries, one.classes])
        x, y, width, height = said.pred_boxes[row][one.queries].T
        corners = torch.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], 1)
        assert torch.allclose(one.boxes, corners * extent[row].repeat(2), atol=1e-4)
        assert torch.allclose(grids.grids, said.pred_masks[row][one.queries].sigmoid())
        assert grids.frames.tolist() == [[0, 0, SIDE, SIDE]] * 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint as transformers saves it, of three classes that are not ours, at 48 pixels."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("checkpoint")
    AutoModelForInstanceSegmentation.from_config(
        tiny_config("rf_detr", ["cat", "dog", "cow"], 48)
    ).save_pretrained(path)
    about = {"size": {"height": 48, "width": 48}, "image_mean": [0.4] * 3, "do_pad": True}
    (path / "preprocessor_config.json").write_text(json.dumps(about))
    return path


def test_adapters_leave_a_checkpoint_alone(rows, settings, folder):
    """Its class heads are new and trained, and LoRA reaches what draws masks; the rest stays."""
    given = {f"{READER}.checkpoint": str(folder), f"{READER}.adapter": "peft:lora"}
    predictor = fit(rows, {k: v for k, v in settings.items() if k != SQUARE}, **given)
    detector = network(predictor)
    assert detector.side == 48
    (processor,) = tools.model_of(predictor).pipeline.processors.values()
    assert processor.stretch
    assert {one.out_features for one in detector.new} == {2}
    assert len(detector.new) == 1 + detector.model.config.group_detr
    fresh = {id(one) for module in detector.new for one in module.parameters()}
    stored = AutoModelForInstanceSegmentation.from_pretrained(folder).state_dict()
    drawing = 0
    for name, one in detector.named_parameters():
        plain = name.removeprefix("model.").replace(".base_layer", "")
        if "lora_B" in name:
            drawing += "query_features" in name and bool(one.any())
        elif "lora" not in name and id(one) not in fresh:
            assert torch.equal(one.detach(), stored[plain]), name
    assert drawing == 3


def test_squares_are_of_whole_windows(rows, settings):
    """The tiny one has 2 x 2 windows of patches of 8; published ones 1 to 4 of 12, 14 or 16."""
    with pytest.raises(ConfigError, match="multiple of 16 pixels, not of 72") as told:
        fit(rows, settings, **{SQUARE: 72})
    assert told.value.remedy == f"{SQUARE}=64"
    inner = {"model_type": "rf_detr_dinov2"}
    assert unit_of({"backbone_config": inner}) == 56
    assert unit_of({"backbone_config": {**inner, "patch_size": 12, "num_windows": 1}}) == 12
    assert unit_of({"backbone_config": {"model_type": "lw_detr_vit"}}) == 64
    assert unit_of({"model_type": "yolos"}) == 32


def test_each_folder_is_read_by_its_own(folder):
    """RF-DETR is both: what its ``architectures`` are tells them apart."""
    specs = {spec.name: spec for spec in mm_checkpoint_formats()}
    told = DetectorFolder(specs["hf"]).recognise(folder, "mine", {})
    assert "RfDetrForInstanceSegmentation, which learns masks" in told.reason
    config = json.loads((folder / "config.json").read_text())
    reader = InstanceFolder(specs["hf_instances"])
    assert reader.recognise(folder, "mine", {})["side"] == 48
    boxes = {**config, "architectures": ["RfDetrForObjectDetection"]}
    assert "draws no masks" in reader._unfit(boxes)
    assert "none of rf_detr" in reader._unfit({**config, "model_type": "detr"})


@pytest.mark.slow
def test_eight_pictures_are_learned_by_heart(shapes, settings, afresh):
    """From random weights; a new process without a network gives the same."""
    rows = numbered(shapes(8))
    long = {
        "training.epochs": 300, "training.batch_size": 8, "training.patience": 1000,
        "training.schedule": "constant", "training.head_learning_rate": 2e-3,
    }  # fmt: skip
    predictor = fit(rows, settings, **long)
    scores = predictor.evaluate(rows, metrics=["segm_map", "map"])
    assert scores["segm_map.50"] > 0.9
    assert scores["map.50"] > 0.9
    assert afresh(predictor, rows) == predictor.predict(rows).tolist()
