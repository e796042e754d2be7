"""Tiny detectors of transformers with random weights, for tests and first tries. Heavy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedConfig, ResNetConfig
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
    else:
        values["image_size"] = [side, side]
    config = CONFIG_MAPPING[kind](**values)
    config.id2label = dict(enumerate(classes))
    config.label2id = {name: code for code, name in enumerate(classes)}
    return config
