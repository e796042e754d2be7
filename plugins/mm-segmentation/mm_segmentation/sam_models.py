"""SAM, SAM-HQ, SAM 2, SAM 3 of transformers: built, filled, saved as JSON. Heavy: torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import nn
from transformers import (
    Sam2Config,
    Sam2Model,
    Sam3TrackerConfig,
    Sam3TrackerModel,
    SamConfig,
    SamHQConfig,
    SamHQModel,
    SamModel,
)

from mm_core.api import Checkpoint, CheckpointError, ConfigError, HFFolder
from mm_segmentation.sam_weights import from_meta, from_sam3, meta_config, resized

PLUGIN = "segmentation:sam"

_KINDS: dict[str, tuple[Any, Any]] = {
    "sam": (SamConfig, SamModel),
    "sam_hq": (SamHQConfig, SamHQModel),
    "sam2": (Sam2Config, Sam2Model),
    "sam3_tracker": (Sam3TrackerConfig, Sam3TrackerModel),
}
"""Model type -> config and model."""

_HQ = (
    "hq_token",
    "hq_mask_mlp",
    "compress_vit_conv1",
    "compress_vit_norm",
    "compress_vit_conv2",
    "encoder_conv1",
    "encoder_norm",
    "encoder_conv2",
    "mask_conv1",
    "mask_norm",
    "mask_conv2",
)
"""What SAM-HQ has besides in its decoder."""

_FAILS = (
    AttributeError,
    KeyError,
    OSError,
    RuntimeError,
    SafetensorError,
    StrictDataclassError,
    TypeError,
    ValueError,
)

_TINY_DECODER = {
    "hidden_size": 32,
    "mlp_dim": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "iou_head_hidden_dim": 32,
}


def tiny(kind: str, side: int) -> Any:
    """The config of a small random model."""
    prompt = {"hidden_size": 32, "image_size": side, "patch_size": 16, "mask_input_channels": 4}
    if kind in ("sam", "sam_hq"):
        vision = {
            "hidden_size": 32,
            "output_channels": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "mlp_dim": 64,
            "window_size": 2,
            "global_attn_indexes": [1],
            "num_pos_feats": 16,
        }
        decoder = _TINY_DECODER if kind == "sam" else {**_TINY_DECODER, "vit_dim": 32}
        return _KINDS[kind][0](
            vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder
        )
    if kind == "sam3_tracker":
        backbone = {
            "model_type": "sam3_vit_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "patch_size": 16,
            "pretrain_image_size": 32,
            "window_size": 2,
            "global_attn_indexes": [1],
        }
        vision = {"model_type": "sam3_vision_model", "backbone_config": backbone}
        return Sam3TrackerConfig(
            vision_config={**vision, "fpn_hidden_size": 32},
            prompt_encoder_config=prompt,
            mask_decoder_config=_TINY_DECODER,
        )
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 16,
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [16, 32, 64, 128],
        "num_attention_heads_per_stage": [1, 2, 4, 8],
        "window_size_per_stage": [8, 4, 4, 2],
        "window_positional_embedding_background_size": [4, 4],
        "global_attention_blocks": [3],
    }
    vision = {
        "backbone_config": backbone,
        "backbone_channel_list": [128, 64, 32, 16],
        "fpn_hidden_size": 32,
    }
    return Sam2Config(
        vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=_TINY_DECODER
    )


def sized(config: Any, side: int) -> Any:
    """The config for squares of this side, in place.

    Raises:
        ConfigError: it is no multiple of what a patch is.
    """
    kind, vision = config.model_type, config.vision_config
    step = 32 if kind == "sam2" else 16
    if kind == "sam3_tracker":
        step = vision.backbone_config.patch_size
    if side % step:
        raise ConfigError(
            f"image_size = {side}: SAM takes squares whose side is a multiple of {step}",
            plugin=PLUGIN,
            value=side,
            remedy=f"image_size={max(step, round(side / step) * step)}",
        )
    config.prompt_encoder_config.image_size = side
    if kind in ("sam", "sam_hq"):
        vision.image_size = side
        config.prompt_encoder_config.image_embedding_size = side // vision.patch_size
    elif kind == "sam2":
        vision.backbone_config.image_size = [side, side]
        vision.backbone_feature_sizes = [[side // n] * 2 for n in (4, 8, 16)]
    else:
        vision.backbone_config.image_size = side
        vision.backbone_feature_sizes = [[side // step * n] * 2 for n in (4, 2, 1)]
        # Its fourth map is the detector's. With it transformers (5.24) adds what stands for no
        # memory of a video to that one; the authors add it to the third, which is decoded.
        vision.scale_factors = vision.scale_factors[:3]
    return config


def built(config: Any) -> Any:
    """An untrained model.

    Raises:
        CheckpointError: transformers cannot build it.
    """
    try:
        return _KINDS[config.model_type][1](config)
    except _FAILS as error:
        raise CheckpointError(
            f"transformers cannot build this SAM: {error}", plugin=PLUGIN, value=config.model_type
        ) from error


def fresh(config: Any) -> Any:
    """A model to train from nothing: those of transformers begin with masks of zeros, and stay."""
    model = built(config)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            module.reset_parameters()
    places = model.shared_image_embedding.positional_embedding
    smooth = torch.randn_like(places)  # as the model draws them, neighbours have nothing in common
    for one in (model.shared_image_embedding, model.prompt_encoder.shared_embedding):
        one.positional_embedding.data.copy_(smooth)
    return model


def rebuilt(values: Mapping[str, Any]) -> Any:
    """The model of a saved config."""
    return built(_KINDS[values["model_type"]][0].from_dict(HFFolder.own_config(values)))


def loaded(checkpoint: Checkpoint, side: int) -> Any:
    """The model of a checkpoint for squares of this side.

    Raises:
        CheckpointError: it cannot be read, or lacks weights.
        ConfigError: the side does not suit it.
    """
    kind = checkpoint.details["kind"]
    try:
        if kind == "meta":
            config = SamConfig(**meta_config(checkpoint.details["size"]))
            stored = torch.load(checkpoint.location, map_location="cpu", weights_only=True)
            weights = from_meta(stored)
        else:
            config, weights = _stored(kind, Path(checkpoint.location))
        model = built(sized(config, side))
        wanted = model.state_dict()
        chosen = {k: v for k, v in resized(weights, wanted).items() if k in wanted}
        lacks = sorted(set(wanted) - set(chosen))
        if lacks:
            raise ValueError(f"it lacks {len(lacks)} of the weights, such as {lacks[0]!r}")
        model.load_state_dict({name: value.float() for name, value in chosen.items()})
    except _FAILS as error:
        raise CheckpointError(
            f"{checkpoint.name!r} ({checkpoint.source}) cannot be read: {error}",
            plugin=PLUGIN,
            value=checkpoint.name,
            remedy="name another checkpoint",
        ) from error
    return model


def _stored(kind: str, folder: Path) -> tuple[Any, dict[str, torch.Tensor]]:
    """Config and weights of a folder."""
    if kind == "sam3_tracker":
        whole = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        given = whole.get("tracker_config") or whole
        parts = ("vision_config", "prompt_encoder_config", "mask_decoder_config")
        config = Sam3TrackerConfig(**{name: given[name] for name in parts if name in given})
        found = from_sam3(_tensors(folder))
    else:
        config = _KINDS[kind][0].from_pretrained(folder, local_files_only=True)
        found = _tensors(folder)
    shared = "shared_image_embedding.positional_embedding"
    prompt = "prompt_encoder.shared_embedding.positional_embedding"
    found.setdefault(prompt, found[shared])  # tied: saved once
    return config, found


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        files = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    else:
        files = ["model.safetensors"]
    found: dict[str, torch.Tensor] = {}
    for file in files:
        found |= safetensors.torch.load_file(folder / file)
    return found


def pruned(model: Any) -> list[nn.Module]:
    """What of the decoder one mask without a choice needs, and is trained; the rest goes, in place.

    That is the choice among three masks and their scores, and masks as prompts.
    """
    decoder = model.mask_decoder
    decoder.iou_prediction_head = nn.Identity()
    for place in range(1, len(decoder.output_hypernetworks_mlps)):
        decoder.output_hypernetworks_mlps[place] = nn.Identity()
    model.prompt_encoder.mask_embed = nn.Identity()
    if hasattr(decoder, "pred_obj_score_head"):
        decoder.pred_obj_score_head = nn.Identity()
    found = [
        decoder.iou_token,
        decoder.mask_tokens,
        decoder.transformer,
        decoder.upscale_conv1,
        decoder.upscale_conv2,
        decoder.upscale_layer_norm,
        decoder.output_hypernetworks_mlps[0],
    ]
    more = ("obj_score_token", "conv_s0", "conv_s1", *_HQ)
    return [*found, *(getattr(decoder, name) for name in more if hasattr(decoder, name))]
