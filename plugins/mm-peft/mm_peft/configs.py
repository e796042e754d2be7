"""Settings of the adapters; light."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, field_validator, model_validator

from mm_core.api import Config


class TargetsConfig(Config):
    """Which layers an adapter is put on."""

    targets: str | None = Field(
        default=None,
        description="regular expression that a layer's whole name matches, such as "
        "'.*(query|value)'; null: every linear layer and every ungrouped convolution",
    )

    @field_validator("targets")
    @classmethod
    def _is_a_pattern(cls, targets: str | None) -> str | None:
        if targets is not None:
            try:
                re.compile(targets)
            except re.error as error:
                raise ValueError(f"{targets!r} is no regular expression: {error}") from None
        return targets


class LoRAConfig(TargetsConfig):
    """Low-rank updates, plain or decomposed (DoRA)."""

    r: int = Field(default=8, ge=1, description="rank of the update")
    alpha: int = Field(default=16, ge=1, description="the update is scaled by alpha / r")
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="share of the update's inputs dropped in training"
    )


class IA3Config(TargetsConfig):
    """Learned scales."""


class PartialConfig(Config):
    """How many stages, from the input, are not trained; half of them unless said otherwise."""

    train_last: int | None = Field(
        default=None, ge=1, description="stages that are trained, counted from the output"
    )
    freeze_share: float | None = Field(
        default=None, gt=0, lt=1, description="share of the stages that is frozen, from the input"
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.train_last is not None and self.freeze_share is not None:
            raise ValueError("give train_last or freeze_share, not both")
        return self
