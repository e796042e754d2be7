"""The backbone: any timm model, several images, absent images, restoring, stages."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import timm
import torch
from mm_image.configs import TimmImageConfig
from mm_image.timm_backbone import TimmImage
from torch import Tensor

from mm_core.api import Checkpoint, CheckpointError, ConfigError
from mm_core.api.nn import BackboneContext
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.plugins.registry import Registry

FAMILIES = (
    "test_resnet",
    "test_efficientnet",
    "test_vit",
    "test_convnext",
    "test_mambaout",
    "test_coatnet",
    "mobilenetv4_conv_small_035",
    "mobilenetv3_small_050",
)
LARGER = (
    "swin_tiny_patch4_window7_224",
    "caformer_s18",
    "pit_ti_224",
    "levit_128s",
    "mixer_s32_224",
)


def build(name: str, size: int = 64, images: int = 1, **context: Any) -> TimmImage:
    info = {"image": {"n_images": images, "image_size": [size, size]}}
    config = TimmImageConfig(checkpoint="random", random_model=name)
    torch.manual_seed(0)
    return TimmImage(config, BackboneContext(inputs=info, task={}, **context))


def arrays(rows: int, images: int = 1, size: int = 64, seed: int = 0) -> dict[str, Tensor]:
    pixels = np.random.default_rng(seed).normal(size=(rows, images, 3, size, size))
    mask = torch.ones(rows, images, dtype=torch.bool)
    return {"pixels": torch.from_numpy(pixels.astype(np.float32)), "image_mask": mask}


@pytest.mark.parametrize("name", FAMILIES)
def test_features_are_timms_and_as_wide_as_said(name: str) -> None:
    backbone = build(name).eval()
    batch = arrays(3)
    with torch.no_grad():
        features = backbone({"image": batch})
        expected = backbone.model(batch["pixels"][:, 0])
    assert features.pooled.shape == (3, backbone.dims["pooled"])
    assert features.tokens.shape[::2] == (3, backbone.dims["tokens"])
    assert features.mask.shape == features.tokens.shape[:2]
    assert features.mask.all()
    torch.testing.assert_close(features.pooled, expected)


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit"])
def test_images_of_a_row_are_averaged_and_absent_ones_ignored(name: str) -> None:
    backbone = build(name, images=2).eval()
    batch = arrays(3, images=2)
    batch["image_mask"][1, 0] = False
    batch["image_mask"][2] = False
    with torch.no_grad():
        single = [
            backbone({"image": {k: v[:, i : i + 1] for k, v in batch.items()}}) for i in (0, 1)
        ]
        features = backbone({"image": batch})
    mean = (single[0].pooled[0] + single[1].pooled[0]) / 2
    torch.testing.assert_close(features.pooled[0], mean)
    torch.testing.assert_close(features.pooled[1], single[1].pooled[1])
    assert (features.pooled[2] == 0).all()
    tokens = features.tokens.shape[1] // 2
    assert features.mask[1].tolist() == [False] * tokens + [True] * tokens
    torch.testing.assert_close(features.tokens[1, tokens:], single[1].tokens[1])


@pytest.mark.parametrize("training", [False, True])
def test_nan_in_an_absent_slot_changes_nothing(training: bool) -> None:
    batch = arrays(4, images=2)
    batch["image_mask"][0, 1] = False
    batch["image_mask"][2] = False
    outputs, gradients = [], []
    for filler in (0.0, float("nan")):
        backbone = build("test_efficientnet", images=2).train(training)
        batch["pixels"][~batch["image_mask"]] = filler
        features = backbone({"image": batch})
        (features.pooled.sum() + features.tokens[features.mask].sum()).backward()
        outputs.append(features)
        gradients.append([p.grad for p in backbone.parameters()])
    assert torch.equal(outputs[0].pooled, outputs[1].pooled)
    assert torch.equal(outputs[0].tokens, outputs[1].tokens)
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    assert torch.isfinite(outputs[1].pooled).all()


def test_rows_one_by_one_are_the_batch() -> None:
    backbone = build("test_efficientnet").eval()
    batch = arrays(4)
    with torch.no_grad():
        together = backbone({"image": batch}).pooled
        alone = [backbone({"image": {k: v[i : i + 1] for k, v in batch.items()}}) for i in range(4)]
    torch.testing.assert_close(torch.cat([f.pooled for f in alone]), together)


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "mobilenetv3_small_050"])
def test_a_single_training_image_does_not_crash_and_leaves_statistics(name: str) -> None:
    backbone = build(name, size=32).train()  # the last feature map is one pixel
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    features = backbone({"image": arrays(1, size=32)})
    features.pooled.sum().backward()
    assert torch.isfinite(features.pooled).all()
    assert all(torch.equal(before[k], v) for k, v in backbone.state_dict().items())
    assert all(module.training for module in backbone.modules())


def test_a_training_batch_without_images_still_has_gradients() -> None:
    backbone = build("test_efficientnet").train()
    batch = arrays(2)
    batch["image_mask"][:] = False
    batch["pixels"][:] = float("nan")
    features = backbone({"image": batch})
    assert (features.pooled == 0).all()
    assert not features.mask.any()
    (features.pooled.sum() + features.tokens.sum()).backward()
    gradients = [p.grad for p in backbone.parameters() if p.grad is not None]
    assert gradients
    assert all((g == 0).all() for g in gradients)


@pytest.mark.parametrize("name", [*FAMILIES, *LARGER])
def test_stages_cover_every_parameter_once_from_input_to_output(name: str) -> None:
    size = 224 if name in LARGER else 64
    backbone = build(name, size=size)
    stages = backbone.stages()
    held = [id(p) for stage in stages for p in stage.parameters()]
    assert len(held) == len(set(held))
    assert set(held) == {id(p) for p in backbone.parameters()}
    assert len(stages) >= 4
    names = {id(p): n for n, p in backbone.model.named_parameters()}
    first, last = (
        {names[id(p)].split(".")[0] for p in stages[i].parameters()} for i in (0, len(stages) - 1)
    )
    inputs = {"stem", "conv1", "bn1", "conv_stem", "patch_embed", "cls_token", "pos_embed"}
    assert first <= inputs | {"reg_token"}, first
    assert not last & inputs, last


def test_stages_are_views_that_leave_the_model_as_it_is() -> None:
    backbone = build("test_vit", size=160)
    before = list(backbone.state_dict())
    for parameter in backbone.stages()[0].parameters():
        parameter.requires_grad_(False)
    assert list(backbone.state_dict()) == before
    frozen = {n for n, p in backbone.model.named_parameters() if not p.requires_grad}
    assert "patch_embed.proj.weight" in frozen
    assert "blocks.0.norm1.weight" not in frozen


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit"])
def test_restored_from_architecture_without_checkpoint(name: str) -> None:
    backbone = build(name, size=96).eval()
    architecture = json.loads(json.dumps(backbone.architecture))
    again = build("test_resnet", size=96, architecture=architecture).eval()
    again.load_state_dict(backbone.state_dict())
    batch = arrays(2, size=96)
    with torch.no_grad():
        assert torch.equal(backbone({"image": batch}).pooled, again({"image": batch}).pooled)
    assert again.pretrained is False


@pytest.mark.parametrize("argument", ["checkpoint_path", "pretrained_cfg", "cache_dir"])
def test_a_hostile_architecture_reads_no_file(argument: str) -> None:
    planted = {"model": "test_resnet", "arguments": {argument: "x.pth"}, "pretrained": False}
    with pytest.raises(CheckpointError, match=argument):
        build("test_resnet", architecture=planted)
    for name in ("hf_hub:someone/model", "local-dir:/somewhere", "nothing"):
        with pytest.raises(CheckpointError, match="no architecture"):
            build("test_resnet", architecture={**planted, "model": name, "arguments": {}})


def test_a_size_the_model_cannot_take_is_named() -> None:
    with pytest.raises(ConfigError, match="image_size"):
        build("levit_128s", size=200)


def saved(folder: Any, name: str, **arguments: Any) -> Checkpoint:
    torch.manual_seed(1)
    model = timm.create_model(name, **arguments)
    timm.models.save_for_hf(model, str(folder), safe_serialization=True)
    (format,) = CheckpointFinder(Registry()).formats("image:timm").values()
    found = format.checkpoint(folder, name, "folder")
    assert isinstance(found, Checkpoint)
    return found


@pytest.mark.parametrize("name", [*FAMILIES[:5], "mobilenetv3_small_050"])
def test_weights_of_a_checkpoint_are_all_loaded(name: str, tmp_path: Any) -> None:
    checkpoint = saved(tmp_path, name)
    size = checkpoint.details["data_config"]["input_size"][1]
    backbone = build("test_resnet", size=size, checkpoint=checkpoint).eval()
    assert backbone.pretrained is True
    torch.manual_seed(1)
    reference = timm.create_model(name).eval()
    stored = reference.state_dict()
    assert all(torch.equal(v, stored[k]) for k, v in backbone.model.state_dict().items())
    batch = arrays(2, size=size)
    with torch.no_grad():
        features = reference.forward_features(batch["pixels"][:, 0])
        expected = reference.forward_head(features, pre_logits=True)
        torch.testing.assert_close(backbone({"image": batch}).pooled, expected)


def test_position_embeddings_are_adapted_to_another_image_size(tmp_path: Any) -> None:
    checkpoint = saved(tmp_path, "test_vit")
    backbone = build("test_resnet", size=96, checkpoint=checkpoint).eval()
    assert backbone.architecture["arguments"]["img_size"] == [96, 96]
    assert backbone({"image": arrays(1, size=96)}).tokens.shape[1] == 36 + 1


def test_weights_that_do_not_fit_are_an_error(tmp_path: Any) -> None:
    checkpoint = saved(tmp_path, "test_resnet")
    other = checkpoint.model_copy(
        update={"details": {**checkpoint.details, "architecture": "test_efficientnet"}}
    )
    with pytest.raises(CheckpointError, match="do not fit test_efficientnet"):
        build("test_resnet", checkpoint=other)


def test_export_gives_the_same_features_for_any_mask() -> None:
    backbone = build("test_efficientnet", images=2).eval()

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = backbone

        def forward(self, pixels: Tensor, image_mask: Tensor) -> Tensor:
            return self.backbone({"image": {"pixels": pixels, "image_mask": image_mask}}).pooled

    batch = arrays(3, images=2)
    batch["image_mask"][1, 0] = False
    batch["image_mask"][2] = False
    rows = torch.export.Dim("rows", min=2, max=64)
    program = torch.export.export(
        Pooled(), (batch["pixels"], batch["image_mask"]), dynamic_shapes=({0: rows}, {0: rows})
    )
    with torch.no_grad():
        expected = backbone({"image": batch}).pooled
        batch["pixels"][~batch["image_mask"]] = float("nan")
        exported = program.module()(batch["pixels"], batch["image_mask"])
    torch.testing.assert_close(exported, expected)


@pytest.mark.parametrize("training", [True, False])
def test_convolutions_read_channels_that_lie_side_by_side(training: bool) -> None:
    backbone = build("test_efficientnet").train(training)
    seen: list[bool] = []
    backbone.model.conv_stem.register_forward_pre_hook(
        lambda module, given: seen.append(given[0].is_contiguous(memory_format=torch.channels_last))
    )
    backbone({"image": arrays(2)})
    assert seen == [True]
