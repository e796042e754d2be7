"""Small random models of transformers, by model type. Heavy: imports transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import (
    Mask2FormerConfig,
    SegformerConfig,
    SwinConfig,
    UperNetConfig,
)

from mm_core.api import CheckpointError
from mm_segmentation.hf_configs import labels

_SEGFORMER = {
    "hidden_sizes": [16, 24, 32, 48],
    "depths": [1, 1, 1, 1],
    "num_attention_heads": [1, 1, 2, 2],
    "sr_ratios": [4, 2, 1, 1],
    "decoder_hidden_size": 32,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "classifier_dropout_prob": 0.0,
    "drop_path_rate": 0.0,
}
_QUERIES = {
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
}


def _swin() -> SwinConfig:
    return SwinConfig(
        embed_dim=16,
        depths=[1, 1, 1, 1],
        num_heads=[1, 2, 2, 4],
        window_size=4,
        drop_path_rate=0.0,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )


def tiny_config(kind: str, names: Sequence[str], side: int) -> Any:
    """The config of a small model.

    Args:
        kind: model type of transformers.
        names: of the classes.
        side: the longer one of the canvas.

    Raises:
        CheckpointError: there is no small one of that type.
    """
    classes = labels(names)
    if kind == "segformer":
        return SegformerConfig(**_SEGFORMER, **classes)
    if kind == "upernet":
        return UperNetConfig(
            backbone_config=_swin(),
            hidden_size=32,
            pool_scales=[1, 2],
            use_auxiliary_head=False,
            **classes,
        )
    if kind == "mask2former":
        return Mask2FormerConfig(backbone_config=_swin(), **_QUERIES, **classes)
    raise CheckpointError(
        f"there is no small random {kind!r}",
        plugin="segmentation:hf",
        value=kind,
        remedy="random_model: segformer, upernet or mask2former",
    )
