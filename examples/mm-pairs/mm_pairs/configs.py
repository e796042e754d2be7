"""Settings; pydantic only. Each is what users type after --set."""

from __future__ import annotations

from mm_core.api import Config
from pydantic import Field


class BiEncoderConfig(Config):
    """Settings of the topology: ``topology.*`` in a recipe."""

    temperature: float = Field(
        default=0.05, gt=0, description="cosines are divided by it in the loss"
    )
    dim: int | None = Field(
        default=None,
        ge=1,
        description="width of the common space, which each backbone is projected into; None: no "
        "projection, the backbones agree",
    )


class ClipConfig(Config):
    """Settings of the backbone ``clip``."""

    dim: int = Field(default=64, ge=1, description="width of the common space")
    width: int = Field(
        default=64, ge=16, multiple_of=16, description="width of both towers, 16 a head"
    )
    layers: int = Field(default=2, ge=1, description="layers of each tower")
    patch: int = Field(default=16, ge=1, description="side of a patch of the picture, in pixels")
