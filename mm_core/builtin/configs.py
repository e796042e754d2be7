"""Settings of the core's own components."""

from __future__ import annotations

from pydantic import Field

from mm_core.api.config import Config


class BinaryConfig(Config):
    """Settings of the task ``core:binary``."""

    positive: bool | int | float | str | None = Field(
        default=None, description="the positive class; None: the later of the two in sorted order"
    )


class MulticlassConfig(Config):
    """Settings of the task ``core:multiclass``: none."""


class RegressionConfig(Config):
    """Settings of the task ``core:regression``: none."""


class FusionConfig(Config):
    """What the core's fusion heads share."""

    auxiliary_weight: float = Field(
        default=0.1, ge=0, description="weight of the loss of each input's own answer"
    )
    dropout: float = Field(default=0.1, ge=0, lt=1, description="dropout probability")


class ConcatMLPConfig(FusionConfig):
    """Settings of the fusion head ``core:concat_mlp``."""

    dim: int = Field(default=256, ge=1, description="width of each input after its projection")
    hidden: int = Field(default=256, ge=1, description="width of the MLP's layers and its output")
    layers: int = Field(default=1, ge=1, description="number of layers of the MLP")


class MeanConfig(FusionConfig):
    """Settings of the fusion head ``core:mean``."""

    dim: int = Field(default=128, ge=1, description="width of the projected and fused features")


class LogitConfig(FusionConfig):
    """Settings of the fusion head ``core:logit``."""

    hidden: int = Field(default=128, ge=1, description="width of each input's hidden layer")
