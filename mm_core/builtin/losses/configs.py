"""Settings of the core's losses."""

from __future__ import annotations

from pydantic import Field

from mm_core.api.config import Config


class SmoothedConfig(Config):
    """What the losses over classes and labels share."""

    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of the target that is spread evenly over all classes (over both answers "
        "of a label), arXiv 1512.00567",
    )


class CrossEntropyConfig(SmoothedConfig):
    """Settings of the loss ``core:cross_entropy``."""


class FocalConfig(SmoothedConfig):
    """Settings of the loss ``core:focal``."""

    gamma: float = Field(
        default=2.0, ge=0, description="how much less rows count that are right; 0: cross entropy"
    )


class MSEConfig(Config):
    """Settings of the loss ``core:mse``: none."""


class MAEConfig(Config):
    """Settings of the loss ``core:mae``: none."""


class HuberConfig(Config):
    """Settings of the loss ``core:huber``."""

    delta: float = Field(
        default=1.0,
        gt=0,
        description="size of error from which on it counts linearly, in standard deviations of the "
        "training labels",
    )


class QuantileConfig(Config):
    """Settings of the loss ``core:quantile``."""

    level: float = Field(
        default=0.5, gt=0, lt=1, description="share of rows that are to lie below the answer"
    )


class BCEConfig(SmoothedConfig):
    """Settings of the loss ``core:bce``."""


class BinaryFocalConfig(SmoothedConfig):
    """Settings of the loss ``core:binary_focal``."""

    gamma: float = Field(
        default=2.0, ge=0, description="how much less labels count that are right; 0: bce"
    )


class AsymmetricConfig(Config):
    """Settings of the loss ``core:asymmetric``; the defaults are the paper's."""

    gamma_positive: float = Field(
        default=0.0, ge=0, description="how much less positive labels count that are right"
    )
    gamma_negative: float = Field(
        default=4.0, ge=0, description="how much less negative labels count that are right"
    )
    margin: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="probability below which a negative label costs nothing",
    )
