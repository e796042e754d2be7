"""Settings of the components; pydantic only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mm_core.api import Config


class TableConfig(Config):
    """Settings of ``tabular:table``."""

    scaling: Literal["quantile", "robust", "standard"] = Field(
        default="quantile",
        description="numbers and dates: 'quantile' maps ranks to a normal distribution, 'robust' "
        "divides by the interquartile range and bends outliers, 'standard' by the deviation",
    )
    n_quantiles: int = Field(
        default=1000, ge=2, description="knots of the quantile map of a column, at most"
    )
    max_categories: int = Field(
        default=10_000,
        ge=1,
        description="the most frequent categories of a column that get a code of their own; the "
        "rest share the code of unseen categories",
    )
    mask_rate: float = Field(
        default=0.01,
        ge=0.0,
        lt=1.0,
        description="share of cells that training replaces by a missing one (or an unseen "
        "category), so that both are known to the network wherever they turn up later",
    )
    date_formats: dict[str, str] = Field(
        default_factory=dict,
        description="column -> strptime format or 'ISO8601', where the found one is wrong "
        "(day before month, for example)",
    )
    decimals: dict[str, Literal[".", ","]] = Field(
        default_factory=dict,
        description="column -> the sign before fractions, of numbers that are written with signs "
        "between thousands, a decimal comma, a per cent or currency sign: all but the number is "
        "taken off",
    )
    missing_marks: dict[str, list[str]] = Field(
        default_factory=dict,
        description="column -> texts that stand for a missing number or date, such as '?'",
    )


class EmbeddedConfig(Config):
    """What the networks without attention share: how numbers and categories enter."""

    embedding_dim: int = Field(
        default=24, ge=1, description="width of the embedding of each number and category"
    )
    category_smoothing: float = Field(
        default=50.0,
        ge=0,
        description="a category met in n training rows gets the share n / (n + this) of its own "
        "vector and the rest of the unseen category's: rare ones are not learned by heart",
    )


class MLPConfig(EmbeddedConfig):
    """Settings of ``tabular:mlp``."""

    numbers: Literal["periodic", "piecewise", "linear", "scalar"] = Field(
        default="periodic",
        description="how a number enters: periodic embedding (PLR of arXiv 2203.05556), piecewise "
        "linear embedding (PLE, for scaling=quantile), linear embedding, or the plain number with "
        "a missing indicator",
    )
    n_frequencies: int = Field(
        default=48, ge=1, description="periodic: frequencies for each number"
    )
    frequency_scale: float = Field(
        default=0.05, gt=0, description="periodic: deviation of the initial frequencies (sigma)"
    )
    n_bins: int = Field(default=48, ge=1, description="piecewise: bins for each number")
    width: int = Field(default=256, ge=1, description="width of the hidden layers and of pooled")
    n_blocks: int = Field(default=2, ge=1, description="hidden layers")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="after each hidden layer")


class TabMConfig(MLPConfig):
    """Settings of ``tabular:tabm``: an MLP's, of which it is an ensemble."""

    members: int = Field(default=8, ge=1, description="networks that share their weights")


class RealMLPConfig(EmbeddedConfig):
    """Settings of ``tabular:realmlp``; the paper's defaults but for the width of embeddings."""

    numbers: Literal["dense_periodic", "linear", "scalar"] = Field(
        default="dense_periodic",
        description="how a number enters: beside a linear map of its cosines (PBLD), by a linear "
        "embedding, or as it is with a missing indicator",
    )
    embedding_dim: int = Field(
        default=8, ge=1, description="width of the embedding of each number and category"
    )
    n_frequencies: int = Field(
        default=16, ge=1, description="dense_periodic: frequencies for each number"
    )
    frequency_scale: float = Field(
        default=0.1, gt=0, description="dense_periodic: deviation of the initial frequencies"
    )
    width: int = Field(default=256, ge=1, description="width of the hidden layers and of pooled")
    n_blocks: int = Field(default=3, ge=1, description="hidden layers")
    dropout: float = Field(default=0.15, ge=0, lt=1, description="after each hidden layer")
    activation: Literal["auto", "selu", "mish"] = Field(
        default="auto", description="auto: selu for classes, mish for numbers"
    )


class FTTransformerConfig(Config):
    """Settings of ``tabular:ft_transformer``; the paper's defaults."""

    width: int = Field(default=192, ge=1, description="width of tokens and of pooled")
    n_blocks: int = Field(default=3, ge=1, description="transformer blocks")
    n_heads: int = Field(default=8, ge=1, description="attention heads; must divide width")
    ffn_factor: float = Field(
        default=4 / 3, gt=0, description="hidden width of the feed-forward part / width (ReGLU)"
    )
    category_smoothing: float = Field(
        default=50.0,
        ge=0,
        description="a category met in n training rows gets the share n / (n + this) of its own "
        "vector and the rest of the unseen category's: rare ones are not learned by heart",
    )
    attention_dropout: float = Field(default=0.2, ge=0, lt=1, description="of attention weights")
    ffn_dropout: float = Field(default=0.1, ge=0, lt=1, description="inside the feed-forward part")
    residual_dropout: float = Field(default=0.0, ge=0, lt=1, description="before each addition")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> FTTransformerConfig:
        if self.width % self.n_heads:
            raise ValueError(f"n_heads = {self.n_heads} must divide width = {self.width}")
        return self
