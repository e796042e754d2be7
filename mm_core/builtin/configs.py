"""Settings of the core's own components."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mm_core.api.config import Config

Share = Annotated[float, Field(ge=0, le=1)]


class CalibratedConfig(Config):
    """What tasks with probabilities share."""

    temperature: bool = Field(
        default=True,
        description="whether probabilities are set right on the validation rows, by one temperature"
        " (arXiv 1706.04599); no answer of a class changes",
    )


class ThresholdConfig(CalibratedConfig):
    """What tasks with answers of yes and no share."""

    threshold: Share | Literal["auto"] = Field(
        default="auto",
        description="probability above which the answer is yes; auto: what is best for "
        "data.eval_metric on the validation rows (multilabel: of each label), else 0.5",
    )


class BinaryConfig(ThresholdConfig):
    """Settings of the task ``core:binary``."""

    positive: bool | int | float | str | None = Field(
        default=None, description="the positive class; None: the later of the two in sorted order"
    )


class MulticlassConfig(CalibratedConfig):
    """Settings of the task ``core:multiclass``."""


class MultilabelConfig(ThresholdConfig):
    """Settings of the task ``core:multilabel``."""

    separator: str | None = Field(
        default=None,
        min_length=1,
        description="what stands between the labels of a text, such as ';'; None: cells are lists, "
        "or texts of JSON lists",
    )
    missing: Literal["refuse", "no_labels"] = Field(
        default="refuse",
        description="a missing label cell: an error, or a row without labels (of several columns: "
        "without that one), as an empty cell of a CSV may mean",
    )


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


class HybridConfig(ConcatMLPConfig):
    """Settings of the fusion head ``core:hybrid``: those of ``core:concat_mlp``, and its own."""

    auxiliary_weight: float = Field(
        default=0.3, ge=0, description="weight of the loss of each input's own answer"
    )
    own_hidden: int = Field(
        default=128, ge=1, description="width of the layer before each input's own answer"
    )
