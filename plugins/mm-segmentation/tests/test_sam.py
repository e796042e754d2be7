"""SAM: its head without prompts, LoRA on the encoder, kept embeddings, prompts, Meta's weights."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from lightning.pytorch import Callback
from mm_segmentation import sam_models
from mm_segmentation.configs import SamConfig as SegmenterConfig
from mm_segmentation.conv_lora import ConvLoRA
from mm_segmentation.hf_configs import as_json
from mm_segmentation.sam_segmenter import SamSegmenter
from mm_segmentation.sam_weights import from_meta, meta_config, resized
from mm_segmentation.samples import drawn
from transformers import SamConfig

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, tools
from mm_core.api.nn import BackboneContext

SIDE = 64
SAM3 = pytest.param("sam3_tracker", marks=pytest.mark.slow)


def discs(n: int, seed: int = 0) -> pd.DataFrame:
    pairs = [drawn(number, seed) for number in range(1, n + 1)]
    return pd.DataFrame(
        {
            "photo": pd.Series([one for one, _ in pairs], dtype=object),
            "mask": pd.Series([mask.astype(np.uint8) for _, mask in pairs], dtype=object),
        }
    )


def settings(**more: Any) -> dict[str, Any]:
    part = "backbones.picture_image"
    given = {
        f"{part}.id": "segmentation:sam",
        f"{part}.checkpoint": "random",
        "inputs.picture_image.processor.image_size": SIDE,
        "inputs.picture_image.processor.augment": "none",
        "inputs.picture_image.processor.flip": False,
        "training.epochs": 60,
        "training.patience": 60,
        "training.batch_size": 4,
        "training.head_learning_rate": 3e-3,
    }
    return given | {(k if "." in k else f"{part}.{k}"): v for k, v in more.items()}


def fitted(frame: pd.DataFrame, **more: Any) -> MultiModalPredictor:
    predictor = MultiModalPredictor("mask", hyperparameters=settings(**more), verbosity=0)
    return predictor.fit(frame, tuning_data=frame)


def topology(predictor: MultiModalPredictor) -> Any:
    return tools.model_of(predictor).engine.topology


@pytest.mark.parametrize(
    "kind",
    [
        "sam",
        "sam2",
        pytest.param("sam_hq", marks=pytest.mark.slow),
        pytest.param("sam3_tracker", marks=pytest.mark.slow),
    ],
)
def test_it_learns_masks_without_any_prompt(kind, tmp_path):
    frame = discs(8)
    predictor = fitted(frame, random_model=kind)
    assert predictor.evaluate(frame)["iou"] > 0.9
    again = MultiModalPredictor.load(predictor.save(tmp_path / "m"))
    for one, other in zip(predictor.predict(frame), again.predict(frame), strict=True):
        assert (one == other).all()


@pytest.mark.parametrize("kind", ["sam", "sam2", SAM3])
def test_lora_trains_the_layers_that_are_named_and_the_decoder(kind, tmp_path):
    folder = _folder(tmp_path, kind, wide=True)
    lora = {"id": "peft:lora", "r": 2, "targets": r".*vision_encoder.*\.(qkv|[qkv]_proj)"}
    predictor = fitted(discs(4), checkpoint=str(folder), adapter=lora, **{"training.epochs": 2})
    backbone = topology(predictor).segmenter
    trained = {k: v.numel() for k, v in backbone.named_parameters() if v.requires_grad}
    inside = {k: n for k, n in trained.items() if "vision_encoder" in k}
    assert inside
    assert all("lora_" in name and re.search(r"\.(qkv|[qkv]_proj)\.", name) for name in inside)
    layers = [m for m in backbone.modules() if hasattr(m, "base_layer")]
    formula = sum(2 * (m.base_layer.in_features + m.base_layer.out_features) for m in layers)
    assert sum(inside.values()) == formula
    new = {id(p) for module in backbone.new for p in module.parameters()}
    assert all(
        id(p) in new for n, p in backbone.named_parameters() if n in set(trained) - set(inside)
    )
    # Merged it answers the same, and without its base it is small: what was trained, and no more.
    before = predictor.predict(discs(4), form="probability")
    whole = _bytes(predictor.save(tmp_path / "whole"))
    folder = predictor.save(tmp_path / "slim", standalone=False)
    assert _bytes(folder) < 0.05 * whole
    rest = _bytes(folder) - 4 * sum(trained.values())
    assert 0 < rest < 100_000  # names, recipe, architecture
    after = MultiModalPredictor.load(folder).predict(discs(4), form="probability")
    assert max(np.abs(a - b).max() for a, b in zip(before, after, strict=True)) < 0.01
    backbone.adapter.merge(backbone)
    merged = predictor.predict(discs(4), form="probability")
    assert max(np.abs(a - b).max() for a, b in zip(before, merged, strict=True)) < 0.01


@pytest.mark.parametrize("kind", ["sam", pytest.param("sam2", marks=pytest.mark.slow), SAM3])
def test_updates_with_a_convolution_are_all_that_is_trained_of_the_encoder(kind, tmp_path):
    checkpoint = str(_folder(tmp_path, kind))
    predictor = fitted(discs(4), checkpoint=checkpoint, conv_lora=2, **{"training.epochs": 2})
    segmenter = topology(predictor).segmenter
    inside = segmenter.model.vision_encoder.named_parameters()
    trained = [name for name, value in inside if value.requires_grad]
    assert trained
    parts = (".down.", ".up.", ".gate.", ".experts.")
    assert all(any(part in name for part in parts) for name in trained)
    folder = predictor.save(tmp_path / "m")
    again = MultiModalPredictor.load(folder).predict(discs(4), form="probability")
    for one, other in zip(predictor.predict(discs(4), form="probability"), again, strict=True):
        assert np.array_equal(one, other)


def test_an_update_changes_nothing_before_it_is_trained():
    base = torch.nn.Linear(12, 36)
    update = ConvLoRA(base, 3)
    maps = torch.randn(5, 7, 6, 12)
    assert torch.equal(update(maps), base(maps))
    torch.nn.init.normal_(update.up.weight)
    whole = update(maps)
    assert not torch.allclose(whole, base(maps))
    assert torch.allclose(update(maps[2:3]), whole[2:3], atol=1e-5)
    whole.sum().backward()
    assert base.weight.grad is None
    assert update.gate.weight.grad.abs().sum() > 0


def _bytes(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())


def _folder(tmp_path: Path, kind: str, wide: bool = False) -> Path:
    """A checkpoint; of a ``wide`` one the encoder is the most, as it is of real ones."""
    torch.manual_seed(0)
    config = sam_models.sized(sam_models.tiny(kind, SIDE), SIDE)
    if wide and kind == "sam2":
        backbone = config.vision_config.backbone_config
        backbone.hidden_size, backbone.embed_dim_per_stage = 64, [64, 128, 256, 512]
        config.vision_config.backbone_channel_list = [512, 256, 128, 64]
    elif wide and kind == "sam3_tracker":
        backbone = config.vision_config.backbone_config
        backbone.hidden_size, backbone.intermediate_size = 384, 1536
    elif wide:
        config.vision_config.hidden_size, config.vision_config.mlp_dim = 384, 1536
    model = sam_models.fresh(config)
    model.save_pretrained(tmp_path / kind)
    return tmp_path / kind


def test_what_a_frozen_encoder_says_is_computed_once(tmp_path):
    predictor = fitted(
        discs(6),
        checkpoint=str(_folder(tmp_path, "sam")),
        adapter="peft:frozen",
        **{"training.epochs": 2},
    )
    segmenter = topology(predictor).segmenter
    assert len(segmenter._kept) == 6  # training and validation rows are the same
    calls = []
    segmenter.model.vision_encoder.register_forward_hook(lambda *_: calls.append(1))
    pixels = torch.randn(3, 3, SIDE, SIDE)
    first = segmenter.embedded(pixels)[0]
    second = segmenter.embedded(pixels.flip(0))[0]
    assert len(calls) == 1
    assert torch.equal(first, second.flip(0))
    loss = predictor.history["loss"]
    plain = fitted(
        discs(6),
        checkpoint=str(tmp_path / "sam"),
        adapter="peft:frozen",
        cache_mb=0,
        **{"training.epochs": 2},
    )
    assert np.allclose(loss, plain.history["loss"], atol=1e-5)


class Clock(Callback):
    """Seconds of the processor when each epoch begins."""

    def __init__(self) -> None:
        self.begun: list[float] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        self.begun.append(time.process_time())


@pytest.mark.slow
def test_an_epoch_on_kept_embeddings_is_twenty_times_faster(tmp_path):
    """ViT-B at 1024, training and validation: five minutes and 4 GB."""
    torch.manual_seed(0)
    whole = sam_models.fresh(sam_models.sized(SamConfig(**meta_config("b")), 1024))
    whole.save_pretrained(tmp_path / "sam")
    picture, mask = np.zeros((1024, 1024, 3), np.uint8), np.zeros((1024, 1024), np.uint8)
    picture[300:500, 300:500], mask[300:500, 300:500] = 200, 1
    frame = pd.DataFrame({"photo": [picture], "mask": [mask]})
    seconds, losses = [], []
    for mb in (0, 2048):
        more = {"training.epochs": 2, "training.batch_size": 1}
        more["inputs.picture_image.processor.image_size"] = 1024
        given = settings(
            checkpoint=str(tmp_path / "sam"), adapter="peft:frozen", cache_mb=mb, **more
        )
        task = "semantic_segmentation"  # of one row nothing else says so
        predictor = MultiModalPredictor("mask", task, hyperparameters=given, verbosity=0)
        clock = Clock()
        predictor.fit(frame, tuning_data=frame, callbacks=[clock])
        seconds.append(clock.begun[1] - clock.begun[0])
        losses.append(predictor.history["loss"])
    assert seconds[0] > 20 * seconds[1], seconds
    assert np.allclose(*losses, atol=1e-5)


def _two(n: int) -> pd.DataFrame:
    """Two squares a picture, left and right."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(n):
        picture = rng.integers(20, 60, (SIDE, SIDE, 3))
        mask = np.zeros((SIDE, SIDE), np.uint8)
        for left in (6, 38):
            y, x = rng.integers(6, 36), left + rng.integers(0, 6)
            mask[y : y + 14, x : x + 14] = 1
        picture[mask == 1] = rng.integers(180, 250, (int(mask.sum()), 3))
        rows.append({"photo": picture.astype(np.uint8), "mask": mask})
    return pd.DataFrame(rows)


@pytest.mark.slow
def test_a_point_says_which_thing_is_meant():
    frame = _two(8)
    more = {"training.epochs": 150, "training.patience": 150}
    predictor = fitted(frame, prompt_share=0.7, **more)
    assert predictor.evaluate(frame)["iou"] > 0.8
    prompts, halves = [], []
    for row, mask in enumerate(frame["mask"]):
        half = np.zeros_like(mask)
        side = np.s_[:, :32] if row % 2 else np.s_[:, 32:]
        half[side] = mask[side]
        y, x = np.argwhere(half)[len(np.argwhere(half)) // 2]
        prompts.append({"points": [[int(x), int(y)]]})
        halves.append(half)
    found = predictor.predict(frame, prompts=prompts)
    overlap = [
        ((a > 0) & (b > 0)).sum() / ((a > 0) | (b > 0)).sum()
        for a, b in zip(found, halves, strict=True)
    ]
    assert np.mean(overlap) > 0.8


def test_prompts_change_the_rows_that_have_them():
    frame = _two(3)
    predictor = fitted(frame, prompt_share=0.5, **{"training.epochs": 1})
    plain = predictor.predict(frame, form="probability")
    for prompt in (
        {"points": [[10, 20]]},
        {"points": [[10, 20], [40, 40]], "labels": [1, 0]},
        {"boxes": [[2, 2, 30, 60]]},
        {"points": [[10, 20]], "boxes": [[2, 2, 30, 60], [32, 2, 60, 60]]},
    ):
        asked = predictor.predict(frame, prompts=[None, prompt, None], form="probability")
        same = [np.array_equal(a, b) for a, b in zip(plain, asked, strict=True)]
        assert same == [True, False, True], prompt
    with pytest.raises(ConfigError, match="prompts of row 0 are no points"):
        predictor.predict(frame, prompts=[{"points": [[1, 2]], "labels": [7]}] * 3)
    with pytest.raises(ConfigError, match=r"1 prompt\(s\) are given, and there is a row"):
        predictor.predict(frame, prompts=[None])


def test_others_take_no_prompts(fitted):
    with pytest.raises(ConfigError, match="prompts are for segmentation:sam"):
        fitted.predict(discs(1), prompts=[None])


def test_squares_that_divide_only():
    with pytest.raises(ConfigError, match="SAM takes squares"):
        fitted(discs(2), **{"inputs.picture_image.processor.image_size": [64, 96]})


def test_positions_are_interpolated_for_another_size(tmp_path):
    folder = _folder(tmp_path, "sam")
    other = "inputs.picture_image.processor.image_size"
    predictor = fitted(discs(2), checkpoint=str(folder), **{other: 96, "training.epochs": 1})
    encoder = topology(predictor).segmenter.model.vision_encoder
    assert encoder.pos_embed.shape == (1, 6, 6, 32)
    before = sam_models.SamModel.from_pretrained(folder).vision_encoder
    middle = torch.nn.functional.interpolate(
        before.pos_embed.permute(0, 3, 1, 2), size=(6, 6), mode="bicubic"
    )
    assert torch.allclose(encoder.pos_embed.permute(0, 3, 1, 2), middle, atol=0.02)  # one epoch on


@pytest.mark.parametrize("kind", ["sam", "sam2", "sam3_tracker"])
def test_a_point_is_answered_as_transformers_answers_it(kind):
    torch.manual_seed(0)
    whole = sam_models.fresh(sam_models.sized(sam_models.tiny(kind, SIDE), SIDE)).eval()
    whole.mask_decoder.dynamic_multimask_via_stability = False  # SAM 2: another mask where unsure
    if hasattr(whole, "no_memory_embedding"):
        torch.nn.init.normal_(whole.no_memory_embedding)
    context = BackboneContext(
        {"picture": {"image_size": [SIDE, SIDE]}},
        {"output_dim": 1},
        architecture={"model": as_json(whole.config), "pretrained": True},
    )
    ours = SamSegmenter(SegmenterConfig(), context).eval()
    ours.model.load_state_dict(
        {k: v for k, v in whole.state_dict().items() if k in ours.model.state_dict()}
    )
    pixels = torch.randn(1, 3, SIDE, SIDE)
    asked = torch.tensor([[20.0, 30.0, 0.0, 0.0, 1.0]])
    with torch.no_grad():
        theirs = whole(
            pixel_values=pixels, input_points=asked[None, None, :, :2],
            input_labels=torch.ones((1, 1, 1), dtype=torch.int32), multimask_output=False,
        ).pred_masks[0]  # fmt: skip
        said = ours.prompted(ours.embedded(pixels), asked)
    assert torch.allclose(said, theirs, atol=1e-4 * float(theirs.abs().max()))


def test_the_tracker_of_a_whole_sam_3_is_found(tmp_path):
    """Its published weights are those of the model of videos, which holds the detector too.

    Sides are multiples of its patch, as 1008 is of 14, and colours are its own.
    """
    torch.manual_seed(0)
    config = sam_models.tiny("sam3_tracker", 56)
    config.vision_config.backbone_config.patch_size = 14
    config.vision_config.backbone_config.pretrain_image_size = 28
    config.prompt_encoder_config.patch_size = 14
    tracker = sam_models.fresh(sam_models.sized(config, 56))
    tracker.save_pretrained(tmp_path)  # under the names of the whole, and "tracker_model." before
    stored = safetensors.torch.load_file(tmp_path / "model.safetensors")
    shared = r"^tracker_model\.(?=detector_model|tracker_neck)"
    stored = {re.sub(shared, "", name): value for name, value in stored.items()}
    assert "tracker_neck.fpn_layers.0.proj1.weight" in stored
    about = {"model_type": "sam3_video", "tracker_config": json.loads(config.to_json_string())}
    about["tracker_config"]["model_type"] = "sam3_tracker_video"
    (tmp_path / "config.json").write_text(json.dumps(about))
    stored["tracker_neck.fpn_layers.3.proj1.bias"] = torch.zeros(3)
    stored["detector_model.vision_encoder.neck.fpn_layers.0.proj1.weight"] = torch.zeros(3)
    safetensors.torch.save_file(stored, tmp_path / "model.safetensors")
    given = settings(checkpoint=str(tmp_path), adapter="peft:frozen", **{"training.epochs": 1})
    del given["inputs.picture_image.processor.image_size"]
    frame = discs(2)
    predictor = MultiModalPredictor("mask", hyperparameters=given, verbosity=0)
    predictor.fit(frame, tuning_data=frame)
    segmenter = topology(predictor).segmenter
    for name, value in segmenter.model.vision_encoder.state_dict().items():
        assert torch.equal(value, tracker.vision_encoder.state_dict()[name]), name
    info = tools.model_of(predictor).pipeline.processors["picture_image"].info
    assert info == {"image_size": [56, 56], "mean": [0.5] * 3, "std": [0.5] * 3}


def _metas(side: int) -> tuple[Any, dict[str, Any]]:
    """A SAM of Meta's own library, of two layers and full width, and what makes transformers' one
    like it.
    """
    pytest.importorskip("segment_anything")
    from segment_anything.modeling import (
        ImageEncoderViT,
        MaskDecoder,
        PromptEncoder,
        Sam,
        TwoWayTransformer,
    )

    torch.manual_seed(0)
    meta = Sam(
        ImageEncoderViT(
            depth=2, embed_dim=64, img_size=side, mlp_ratio=4, num_heads=4, patch_size=16,
            qkv_bias=True, use_rel_pos=True, global_attn_indexes=[1], window_size=4,
            out_chans=256, norm_layer=lambda n: torch.nn.LayerNorm(n, eps=1e-6),
        ),
        PromptEncoder(256, (side // 16,) * 2, (side, side), 16),
        MaskDecoder(
            num_multimask_outputs=3, transformer=TwoWayTransformer(2, 256, 8, 2048),
            transformer_dim=256,
        ),
    ).eval()  # fmt: skip
    values = meta_config("b")
    values["vision_config"] |= {
        "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "mlp_dim": 256,
        "global_attn_indexes": [1], "window_size": 4, "num_pos_feats": 128, "image_size": side,
    }  # fmt: skip
    return meta, values


@pytest.mark.slow
@pytest.mark.parametrize("library", ["transformers", "meta"])
def test_lora_learns_eight_pictures_by_heart_and_merges(library, tmp_path, monkeypatch):
    """From a checkpoint of either library, to a model that is small without it."""
    if library == "meta":
        meta, values = _metas(SIDE)
        torch.save(meta.state_dict(), tmp_path / "sam_vit_b_tiny.pth")
        monkeypatch.setattr(sam_models, "meta_config", lambda size: values)
        checkpoint = tmp_path / "sam_vit_b_tiny.pth"
    else:
        checkpoint = _folder(tmp_path, "sam")
    lora = {"id": "peft:lora", "r": 4, "alpha": 32, "targets": r".*vision_encoder.*\.qkv"}
    frame = discs(8)
    more = {"training.epochs": 120, "training.patience": 120, "training.loss": "structure"}
    predictor = fitted(frame, checkpoint=str(checkpoint), adapter=lora, **more)
    assert predictor.evaluate(frame)["iou"] > 0.9
    before = predictor.predict(frame, form="probability")
    again = MultiModalPredictor.load(predictor.save(tmp_path / "slim", standalone=False))
    merged = again.merge_adapters().predict(frame, form="probability")
    assert max(np.abs(a - b).max() for a, b in zip(before, merged, strict=True)) < 0.01


def test_metas_weights_give_the_same_masks():
    """Its own library beside transformers'."""
    meta, values = _metas(128)
    for value in meta.parameters():
        torch.nn.init.normal_(value, std=0.1)
    ours = sam_models.built(sam_models.sized(SamConfig(**values), 128)).eval()
    weights = from_meta(meta.state_dict())
    assert set(weights) == set(ours.state_dict())
    ours.load_state_dict(resized(weights, ours.state_dict()))
    pixels = torch.randn(1, 3, 128, 128)
    points = torch.tensor([[[40.0, 60.0]]])
    with torch.no_grad():
        seen = meta.image_encoder(pixels)
        assert torch.allclose(ours.vision_encoder(pixels).last_hidden_state, seen, atol=1e-4)
        sparse, dense = meta.prompt_encoder((points, torch.ones(1, 1)), None, None)
        masks, _ = meta.mask_decoder(seen, meta.prompt_encoder.get_dense_pe(), sparse, dense, False)
        said = ours(
            pixel_values=pixels, input_points=points[None], input_labels=torch.ones(1, 1, 1),
            multimask_output=False,
        )  # fmt: skip
    assert torch.allclose(said.pred_masks[0], masks, atol=1e-3 * masks.abs().max())
