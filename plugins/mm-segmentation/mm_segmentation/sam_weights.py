"""SAM at other sizes, and Meta's names of its weights. Heavy: imports torch."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional

_SIZES = {
    "b": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12},
    "l": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16},
    "h": {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16},
}
_GLOBAL = {"b": [2, 5, 8, 11], "l": [5, 11, 17, 23], "h": [7, 15, 23, 31]}

_RENAMED = (
    (r"^image_encoder\.", "vision_encoder."),
    (r"\.blocks\.", ".layers."),
    (r"\.neck\.0\.", ".neck.conv1."),
    (r"\.neck\.1\.", ".neck.layer_norm1."),
    (r"\.neck\.2\.", ".neck.conv2."),
    (r"\.neck\.3\.", ".neck.layer_norm2."),
    (r"patch_embed\.proj\.", "patch_embed.projection."),
    (r"\.norm(\d)\.", r".layer_norm\1."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"output_upscaling\.0\.", "upscale_conv1."),
    (r"output_upscaling\.1\.", "upscale_layer_norm."),
    (r"output_upscaling\.3\.", "upscale_conv2."),
    (r"mask_downscaling\.0\.", "mask_embed.conv1."),
    (r"mask_downscaling\.1\.", "mask_embed.layer_norm1."),
    (r"mask_downscaling\.3\.", "mask_embed.conv2."),
    (r"mask_downscaling\.4\.", "mask_embed.layer_norm2."),
    (r"mask_downscaling\.6\.", "mask_embed.conv3."),
    (r"point_embeddings\.", "point_embed."),
    (r"pe_layer\.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
    (r"((?:mlps\.\d+|iou_prediction_head)\.)layers\.0\.", r"\1proj_in."),
    (r"((?:mlps\.\d+|iou_prediction_head)\.)layers\.1\.", r"\1layers.0."),
    (r"((?:mlps\.\d+|iou_prediction_head)\.)layers\.2\.", r"\1proj_out."),
)

_OF_SAM3 = (
    ("tracker_model.", ""),  # before all others in what transformers saves of a tracker alone
    ("detector_model.vision_encoder.backbone.", "vision_encoder.backbone."),
    ("tracker_neck.", "vision_encoder.neck."),
)


def meta_config(size: str) -> dict[str, object]:
    """What ``SamConfig`` is built from for Meta's vit_b, vit_l, vit_h."""
    wide = _SIZES[size]
    return {
        "vision_config": {
            **wide,
            "mlp_dim": 4 * int(wide["hidden_size"]),
            "global_attn_indexes": _GLOBAL[size],
        }
    }


def from_meta(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of ``segment-anything`` as transformers names them: nothing but names differs."""
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        if name in ("pixel_mean", "pixel_std"):
            continue
        for pattern, other in _RENAMED:
            name = re.sub(pattern, other, name)
        found[name] = value
    shared = found["prompt_encoder.shared_embedding.positional_embedding"]
    found["shared_image_embedding.positional_embedding"] = shared
    return found


def from_sam3(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of its tracker, as that names them, of a whole SAM 3 of transformers.

    It shares the network that reads pictures with the detector, but for the neck.
    """
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        for start, other in _OF_SAM3:
            if name.startswith(start):
                name = other + name.removeprefix(start)
        found[name] = value
    return found


def resized(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights for a SAM of another square: positions are interpolated, all else is as it was.

    Args:
        weights: under the names of transformers.
        wanted: of the model that is to be filled, for its shapes.
    """
    found = dict(weights)
    for name, value in weights.items():
        if name not in wanted or value.shape == wanted[name].shape:
            continue
        if name.endswith("pos_embed"):  # [1, h, w, D]
            size = wanted[name].shape[1:3]
            grid = functional.interpolate(
                value.permute(0, 3, 1, 2).float(), size=size, mode="bicubic", align_corners=False
            )
            found[name] = grid.permute(0, 2, 3, 1).to(value.dtype)
        elif ".rel_pos_" in name:  # [2 n - 1, D]
            line = functional.interpolate(
                value.T[None].float(),
                size=wanted[name].shape[0],
                mode="linear",
                align_corners=False,
            )
            found[name] = line[0].T.to(value.dtype)
    return found
