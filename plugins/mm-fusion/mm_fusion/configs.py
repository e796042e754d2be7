"""Settings of the heads, the wrappers and the fitter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from mm_core.api import Config, FusionHeadSpec, Slot, slot


class HeadConfig(Config):
    """What the heads share."""

    dim: int = Field(default=128, ge=1, description="width of each input after its projection")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="dropout probability")
    auxiliary_weight: float = Field(
        default=0.1, ge=0, description="weight of the loss of each input's own answer"
    )


class GMUConfig(HeadConfig):
    """Settings of ``fusion:gmu``."""


class GatedResidualConfig(HeadConfig):
    """Settings of ``fusion:gated_residual``."""

    gate: float = Field(
        default=0.1,
        description="where the gates start: 0 would be the inputs alone, and no gradient for what "
        "is gated",
    )


class DeepSetConfig(HeadConfig):
    """Settings of ``fusion:deepset``."""

    pool: Literal["mean", "sum", "max"] = Field(
        default="mean", description="how the inputs that are there become one"
    )


class FiLMConfig(HeadConfig):
    """Settings of ``fusion:film``."""

    condition: str | None = Field(
        default=None,
        description="the backbone that scales and shifts the others; None: each is scaled and "
        "shifted by the mean of the others",
    )


class LMFConfig(HeadConfig):
    """Settings of ``fusion:lmf``."""

    rank: int = Field(default=4, ge=1, description="terms of the factorised tensor")


class BlockConfig(HeadConfig):
    """Settings of ``fusion:block``."""

    chunks: int = Field(
        default=8, ge=1, description="blocks of the tensor, which share dim; 1: that of MUTAN"
    )
    rank: int = Field(default=4, ge=1, description="terms of each block")

    @model_validator(mode="after")
    def _chunks_share_dim(self) -> Self:
        if self.dim % self.chunks:
            raise ValueError(f"dim is {self.dim}, which {self.chunks} chunks cannot share")
        return self


class ShaSpecConfig(HeadConfig):
    """Settings of ``fusion:shaspec``."""

    alignment: float = Field(
        default=0.1,
        ge=0,
        description="weight of the loss that makes what inputs share alike: the mean distance of "
        "its numbers",
    )
    domain: float = Field(
        default=0.02,
        ge=0,
        description="weight of the loss that has what is specific to an input tell which one it "
        "is of",
    )


class TFNConfig(HeadConfig):
    """Settings of ``fusion:tfn``."""

    dim: int = Field(default=8, ge=1, description="width of each input after its projection")
    hidden: int = Field(default=128, ge=1, description="width of the fused vector")
    budget: int = Field(
        default=20_000,
        ge=1,
        description="entries of the tensor, (dim + 1) ** inputs, above which it is refused",
    )


class MoEConfig(HeadConfig):
    """Settings of ``fusion:moe``."""

    experts: int = Field(default=4, ge=1, description="number of experts")
    top: int = Field(default=2, ge=1, description="experts that answer for a row")
    hidden: int = Field(default=128, ge=1, description="width of an expert's layer")
    balance: float = Field(
        default=0.01, ge=0, description="weight of the loss that keeps all experts in use"
    )

    @model_validator(mode="after")
    def _no_more_than_there_are(self) -> Self:
        if self.top > self.experts:
            raise ValueError(f"top is {self.top}, and there are {self.experts} experts")
        return self


class TMCConfig(Config):
    """Settings of ``fusion:tmc``."""

    dim: int = Field(default=128, ge=1, description="width of each input after its projection")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="dropout probability")
    regularisation: float = Field(
        default=0.1, ge=0, description="weight of what keeps evidence for wrong classes small"
    )


class TransformerConfig(HeadConfig):
    """What the heads made of attention share."""

    layers: int = Field(default=2, ge=1, description="number of layers")
    heads: int = Field(default=4, ge=1, description="attention heads; they share dim")

    @model_validator(mode="after")
    def _heads_share_dim(self) -> Self:
        if self.dim % self.heads:
            raise ValueError(f"dim is {self.dim}, which {self.heads} heads cannot share")
        return self


class ClsTransformerConfig(TransformerConfig):
    """Settings of ``fusion:cls_transformer``."""


class CrossAttentionConfig(TransformerConfig):
    """Settings of ``fusion:cross_attention``."""

    layers: int = Field(default=1, ge=1, description="number of layers")


class BottleneckConfig(TransformerConfig):
    """Settings of ``fusion:mbt``."""

    bottleneck: int = Field(default=4, ge=1, description="tokens that the inputs speak through")


class PerceiverConfig(TransformerConfig):
    """Settings of ``fusion:perceiver``."""

    latents: int = Field(default=8, ge=1, description="learned queries")


class WrapperConfig(Config):
    """What the wrappers share."""

    head: Slot[FusionHeadSpec] = slot("core:concat_mlp", description="the head inside")


class ModalityDropoutConfig(WrapperConfig):
    """Settings of ``fusion:modality_dropout``."""

    rate: float = Field(
        default=0.2, ge=0, lt=1, description="share of the inputs of a row left out in training"
    )


class MissingEmbeddingConfig(Config):
    """Settings of ``fusion:missing_embedding``."""

    head: Slot[FusionHeadSpec] = slot(
        "core:mean", description="the head inside; none in it fills what is missing itself"
    )

    @model_validator(mode="after")
    def _not_twice(self) -> Self:
        filling = next((one for one in _within(self.head) if one.spec.fills_missing), None)
        if filling is not None:
            raise ValueError(
                f"{filling.id} has learned vectors for missing inputs of its own: leave "
                "missing_embedding out, or choose a head without, such as core:mean"
            )
        return self


def _within(head: Slot[FusionHeadSpec]) -> Iterator[Slot[FusionHeadSpec]]:
    """This head and those inside it, which see the same inputs as present."""
    yield head
    for _, value in head.config:
        if isinstance(value, Slot) and value.kind is FusionHeadSpec:
            yield from _within(value)


class AlignConfig(WrapperConfig):
    """Settings of ``fusion:align``."""

    dim: int = Field(default=128, ge=1, description="width of the space the inputs meet in")
    weight: float = Field(default=0.1, ge=0, description="weight of the loss")
    temperature: float = Field(default=0.07, gt=0, description="temperature of the softmax")


class FuseMixConfig(WrapperConfig):
    """Settings of ``fusion:fusemix``."""

    alpha: float = Field(
        default=1.0, gt=0, description="of the Beta distribution of the shares; 1: all alike"
    )

    @model_validator(mode="after")
    def _not_twice(self) -> Self:
        if self.head.id == "fusion:fusemix":
            raise ValueError("latents are blended once: leave the inner fusion:fusemix out")
        return self


class GradientModulationConfig(WrapperConfig):
    """Settings of ``fusion:ogm_ge``."""

    dim: int = Field(default=128, ge=1, description="width of each input after its projection")
    strength: float = Field(
        default=0.3, ge=0, description="a of 1 - tanh(a rho): how long the input ahead waits"
    )
    noise: bool = Field(default=True, description="add noise of the gradient's own deviation")


class CachedConfig(Config):
    """Settings of the fitter ``fusion:cached``."""

    keep: tuple[str, ...] = Field(
        default=("pooled",), description="features that are kept: those that the fusion head reads"
    )
    new: Literal["train", "keep"] = Field(
        default="train",
        description="networks without pretrained weights, such as a table's: train, beside what "
        "stands above; keep, they stay as they were drawn",
    )
    cache: bool | str | None = Field(
        default=None,
        description="folder that latents are kept in between fits; true: that of `mm cache`; None: "
        "in memory, for this fit",
    )
    cache_gb: float = Field(
        default=10.0, gt=0, description="size of the folder from which on no more is written to it"
    )
