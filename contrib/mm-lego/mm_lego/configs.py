"""Settings of the heads; pydantic only."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from mm_core.api import Config


class LegoConfig(Config):
    """What both heads share: the shape of a block. Models are merged whose blocks agree in it."""

    reads: Literal["pooled", "tokens"] = Field(
        default="pooled", description="what a block reads of its backbone"
    )
    channels: int = Field(default=16, ge=1, description="channels of the latent")
    dim: int = Field(default=64, ge=1, description="width of a channel")
    steps: int = Field(default=2, ge=1, description="times that a block reads its input")
    heads: int = Field(default=4, ge=1, description="attention heads; they share dim")
    temperature: float = Field(default=0.5, gt=0, description="of the attention's softmax")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="dropout probability")
    seed: int = Field(
        default=0, description="of the latent and the answer that a block starts from; alike in all"
    )

    @model_validator(mode="after")
    def _heads_share_dim(self) -> Self:
        if self.dim % self.heads:
            raise ValueError(f"dim is {self.dim}, which {self.heads} heads cannot share")
        return self


class MergeConfig(LegoConfig):
    """Settings of ``lego:merge``."""

    method: Literal["harmonic", "mean"] = Field(
        default="harmonic",
        description="of latents: harmonic mean of magnitudes and circular mean of phases, or the "
        "arithmetic mean",
    )
    shares: dict[str, float] = Field(
        default_factory=dict, description="backbone -> its weight, above 0; 1 where none is given"
    )

    @model_validator(mode="after")
    def _above_zero(self) -> Self:
        wrong = [name for name, share in self.shares.items() if not share > 0]
        if wrong:
            raise ValueError(f"the share of {wrong[0]} is {self.shares[wrong[0]]}, not above 0")
        return self


class FuseConfig(LegoConfig):
    """Settings of ``lego:fuse``."""

    order: Literal["stack", "weave"] = Field(
        default="stack",
        description="the latent goes through all of a block before the next one, or through one "
        "step of each in turn",
    )
