"""Segmenters of transformers: those with logits, and those that match queries with masks."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from mm_segmentation.hf_segmenter import HFSegmenter, _labels
from mm_segmentation.samples import SIDE, drawn
from mm_segmentation.tiny import _swin, tiny_config
from transformers import (
    AutoModelForSemanticSegmentation,
    AutoModelForUniversalSegmentation,
    EomtConfig,
    OneFormerConfig,
)

from mm_core import MultiModalPredictor
from mm_core.api import CheckpointError, tools


def discs(n: int) -> pd.DataFrame:
    pairs = [drawn(number, 0) for number in range(1, n + 1)]
    masks = [mask.astype(np.uint8) for _, mask in pairs]
    return pd.DataFrame({"photo": [one for one, _ in pairs], "mask": masks})


def fitted(
    frame: pd.DataFrame, epochs: int, side: int | None = SIDE, **more
) -> MultiModalPredictor:
    part = "backbones.picture_image"
    settings = {
        f"{part}.id": "segmentation:hf",
        f"{part}.checkpoint": "random",
        "inputs.picture_image.processor.image_size": side,
        "inputs.picture_image.processor.augment": "none",
        "training.epochs": epochs,
        "training.patience": epochs,
        "training.batch_size": 4,
        "training.head_learning_rate": 5e-3,
        **{f"{part}.{key}": value for key, value in more.items()},
    }
    predictor = MultiModalPredictor("mask", hyperparameters=settings, verbosity=0)
    return predictor.fit(frame, tuning_data=frame)


@pytest.mark.parametrize(
    "kind", ["segformer", pytest.param("mask2former", marks=[pytest.mark.slow])]
)
def test_it_learns_and_comes_back_without_a_hub(kind, tmp_path):
    frame = discs(8)
    predictor = fitted(frame, 60, random_model=kind)
    assert predictor.evaluate(frame)["iou"] > 0.7
    again = MultiModalPredictor.load(predictor.save(tmp_path / "m"))
    for one, other in zip(predictor.predict(frame), again.predict(frame), strict=True):
        assert (one == other).all()


def test_a_checkpoint_of_other_classes_gets_a_new_head(tmp_path):
    config = tiny_config("segformer", ["a", "b", "c", "d"], SIDE)
    AutoModelForSemanticSegmentation.from_config(config).save_pretrained(tmp_path / "four")
    predictor = fitted(discs(2), 1, checkpoint=str(tmp_path / "four"))
    segmenter = tools.model_of(predictor).engine.topology.segmenter
    assert isinstance(segmenter, HFSegmenter)
    assert segmenter.architecture["new"] == ["decode_head.classifier"]
    assert segmenter.model.config.num_labels == 2
    assert segmenter.new == (segmenter.model.decode_head.classifier,)


def test_a_checkpoint_whose_config_is_of_another_network_is_refused(tmp_path):
    """Its weights would be random ones, unsaid."""
    config = tiny_config("segformer", ["a", "b"], SIDE)
    AutoModelForSemanticSegmentation.from_config(config).save_pretrained(tmp_path / "two")
    config.decoder_hidden_size *= 2
    config.save_pretrained(tmp_path / "two")
    with pytest.raises(CheckpointError, match=r"decode_head\.\S+ \[\d+.*, not \[\d+") as caught:
        fitted(discs(2), 1, checkpoint=str(tmp_path / "two"))
    assert "config.json" in caught.value.remedy
    said = json.loads((tmp_path / "two/config.json").read_text())
    (tmp_path / "two/config.json").write_text(json.dumps({**said, "num_encoder_blocks": "four"}))
    with pytest.raises(CheckpointError, match=r"cannot read .*two.*num_encoder_blocks"):
        fitted(discs(2), 1, checkpoint=str(tmp_path / "two"))


def test_a_checkpoint_of_one_square_gets_its_canvas(tmp_path):
    """EoMT knows places of one grid; another one is an error that names it."""
    size = {"image_size": 96, "patch_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = EomtConfig(**size, hidden_size=32, num_blocks=1, num_queries=5, num_upscale_blocks=1)
    AutoModelForUniversalSegmentation.from_config(config).save_pretrained(tmp_path / "eomt")
    frame, settings = discs(2), {"checkpoint": str(tmp_path / "eomt")}
    predictor = fitted(frame, 1, side=None, **settings)
    (processor,) = tools.model_of(predictor).pipeline.processors.values()
    assert processor.info["image_size"] == [96, 96]
    assert [one.shape for one in predictor.predict(frame)] == [one.shape for one in frame["mask"]]
    with pytest.raises(
        CheckpointError, match="eomt draws no masks of a picture of 64 x 64"
    ) as said:
        fitted(frame, 1, **settings)
    assert "image_size=96" in said.value.remedy


def test_what_asks_for_more_than_a_picture_is_refused(tmp_path):
    """OneFormer is told in words what to draw."""
    sizes = {"hidden_dim": 32, "mask_dim": 32, "conv_dim": 32, "dim_feedforward": 64}
    layers = {"encoder_layers": 1, "decoder_layers": 2, "num_attention_heads": 2, "num_queries": 5}
    config = OneFormerConfig(backbone_config=_swin(), is_training=False, **sizes, **layers)
    AutoModelForUniversalSegmentation.from_config(config).save_pretrained(tmp_path / "one")
    with pytest.raises(CheckpointError, match=r"oneformer draws no masks .* alone"):
        fitted(discs(2), 1, checkpoint=str(tmp_path / "one"))


def test_lora_reaches_what_draws_masks_and_merges(tmp_path):
    """Mask2Former calls layers of a list that it keeps beside the registered ones."""
    config = tiny_config("mask2former", ["a", "b"], SIDE)
    AutoModelForUniversalSegmentation.from_config(config).save_pretrained(tmp_path / "two")
    lora = {"id": "peft:lora", "r": 2, "targets": r".*mask_embedder.*"}
    frame, given = discs(2), {"checkpoint": str(tmp_path / "two"), "adapter": lora}
    predictor = fitted(frame, 1, **given)
    segmenter = tools.model_of(predictor).engine.topology.segmenter
    moved = [bool(one.any()) for name, one in segmenter.named_parameters() if "lora_B" in name]
    assert moved == [True] * 3
    probability = predictor.predict(frame, form="probability")
    merged = predictor.merge_adapters().predict(frame, form="probability")
    for one, other in zip(probability, merged, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_rows_of_no_weight_have_no_part_in_a_loss_of_queries():
    frame = discs(4).assign(w=[0.0, 1.0, 1.0, 1.0])
    frame["mask"] = [
        np.roll(one, 9, axis=0) if i == 0 else one for i, one in enumerate(frame["mask"])
    ]
    part = "backbones.picture_image"
    settings = {
        f"{part}.id": "segmentation:hf",
        f"{part}.checkpoint": "random",
        f"{part}.random_model": "mask2former",
        "inputs.picture_image.processor.image_size": SIDE,
        "inputs.picture_image.processor.augment": "none",
        "training.epochs": 1,
        "training.batch_size": 4,
        "training.max_steps": 1,
    }
    losses = []
    for masks in (frame["mask"], [np.rot90(frame["mask"][0]).copy(), *frame["mask"][1:]]):
        predictor = MultiModalPredictor("mask", hyperparameters=settings, verbosity=0)
        rows = frame.assign(mask=pd.Series(list(masks), dtype=object))
        predictor.fit(rows, tuning_data=frame.drop(columns="w"), sample_weight="w")
        losses.append(float(predictor.history["loss"].iloc[0]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_classes_of_a_mask_are_what_queries_are_matched_with():
    codes = torch.tensor([[[0, 1], [-1, 1]], [[2, 2], [2, 2]]])
    found = _labels(codes)
    assert [one.tolist() for one in found["class_labels"]] == [[0, 1], [2]]
    assert found["mask_labels"][0].tolist() == [[[1, 0], [0, 0]], [[0, 1], [0, 1]]]
    config = tiny_config("mask2former", ["a", "b", "c"], SIDE)
    model = AutoModelForUniversalSegmentation.from_config(config)
    pixels = torch.randn(2, 3, SIDE, SIDE)
    large = _labels(codes.repeat_interleave(32, 1).repeat_interleave(32, 2))
    assert torch.isfinite(model(pixel_values=pixels, **large).loss)
