"""Tiny detectors of transformers with random weights, for tests and first tries. Heavy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import (
    DetrConfig,
    PreTrainedConfig,
    ResNetConfig,
    RfDetrDinov2Config,
    SwinConfig,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from mm_core.api import ConfigError

_RESNET: dict[str, Any] = {
    "embedding_size": 16,
    "hidden_sizes": [16, 32, 48, 64],
    "depths": [1, 1, 1, 1],
    "layer_type": "basic",
}
_DETR: dict[str, Any] = {
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "num_queries": 20,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
}
_RT: dict[str, Any] = {
    "d_model": 32,
    "encoder_hidden_dim": 32,
    "encoder_in_channels": [32, 48, 64],
    "feat_strides": [8, 16, 32],
    "decoder_in_channels": [32, 32, 32],
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "decoder_layers": 2,
    "num_queries": 20,
    "num_denoising": 20,
    "dropout": 0.0,
}
_STAGES: dict[str, list[str]] = {
    "rt_detr": ["stage2", "stage3", "stage4"],
    "rt_detr_v2": ["stage2", "stage3", "stage4"],
    "d_fine": ["stage2", "stage3", "stage4"],
    "deformable_detr": ["stage2", "stage3", "stage4"],
    "detr": ["stage4"],
    "conditional_detr": ["stage4"],
}
_OWN: dict[str, dict[str, Any]] = {
    "detr": _DETR,
    "conditional_detr": _DETR,
    "deformable_detr": {**_DETR, "num_feature_levels": 3},
    "rt_detr": _RT,
    "rt_detr_v2": _RT,
    "d_fine": {**_RT, "decoder_n_points": [4, 4, 4], "max_num_bins": 8, "depth_mult": 0.34},
    "yolos": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "num_detection_tokens": 20,
        "patch_size": 8,
        "hidden_dropout_prob": 0.0,
    },
}

_WINDOWED: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "mlp_ratio": 2,
    "patch_size": 8,
    "num_windows": 2,
    "use_mask_token": False,
    "out_features": ["stage1", "stage2", "stage3"],
}

_SWIN: dict[str, Any] = {
    "embed_dim": 16,
    "depths": [1, 1, 1, 1],
    "num_heads": [1, 2, 2, 4],
    "window_size": 4,
    "drop_path_rate": 0.0,
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
}
_OWN |= {
    "rf_detr": {
        "d_model": 32,
        "hidden_expansion": 0.5,
        "c2f_num_blocks": 1,
        "decoder_ffn_dim": 64,
        "decoder_layers": 2,
        "decoder_n_points": 2,
        "decoder_self_attention_heads": 2,
        "decoder_cross_attention_heads": 2,
        "num_queries": 12,
        "group_detr": 3,
        "dropout": 0.0,
        "intermediate_size": 64,
    },
    "mask2former": {
        "feature_size": 32,
        "mask_feature_size": 32,
        "hidden_dim": 32,
        "encoder_feedforward_dim": 64,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "num_attention_heads": 2,
        "dim_feedforward": 64,
        "num_queries": 12,
        "train_num_points": 256,
    },
    "maskformer": {"fpn_feature_size": 32, "mask_feature_size": 32},
    "eomt": {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "mlp_ratio": 2,
        "patch_size": 8,
        "num_blocks": 2,
        "num_upscale_blocks": 1,
        "num_queries": 12,
        "num_register_tokens": 1,
        "train_num_points": 256,
    },
}


def tiny_config(kind: str, classes: Sequence[str], side: int) -> PreTrainedConfig:
    """The config of a model that fits a test.

    Raises:
        ConfigError: of this model type none is known.
    """
    if kind not in _OWN:
        raise ConfigError(
            f"no tiny {kind!r} is known",
            value=kind,
            remedy=f"random_model: {', '.join(_OWN)}; or save a config and name its folder",
        )
    values = dict(_OWN[kind])
    if kind in _STAGES:
        values["backbone_config"] = ResNetConfig(**_RESNET, out_features=_STAGES[kind])
        values |= {"use_timm_backbone": False, "use_pretrained_backbone": False, "backbone": None}
    elif kind in ("mask2former", "maskformer"):
        values["backbone_config"] = SwinConfig(**_SWIN)
        if kind == "maskformer":
            values["decoder_config"] = DetrConfig(**{**_DETR, "num_queries": 12})
    elif kind == "rf_detr":
        values["backbone_config"] = RfDetrDinov2Config(**_WINDOWED, image_size=side)
    else:
        values["image_size"] = side if kind == "eomt" else [side, side]
    config = CONFIG_MAPPING[kind](**values)
    config.id2label = dict(enumerate(classes))
    config.label2id = {name: code for code, name in enumerate(classes)}
    return config
