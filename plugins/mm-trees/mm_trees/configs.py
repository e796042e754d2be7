"""Settings of the trees; pydantic only. Each is what users type after --set fit."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mm_core.api import Config


class TreesConfig(Config):
    """What all libraries have."""

    rounds: int = Field(default=2000, ge=1, description="trees of each output, at most")
    learning_rate: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="share of each tree; null: CatBoost's own choice by rows and rounds, 0.05 of "
        "LightGBM, 0.1 of scikit-learn",
    )
    l2: float | None = Field(
        default=None, ge=0, description="penalty on the squares of leaf values; null: the library's"
    )
    patience: int = Field(
        default=100,
        ge=1,
        description="rounds without a smaller loss on the validation rows before it stops",
    )
    validate_every: int = Field(
        default=10,
        ge=1,
        description="rounds between validation scores; the rounds of the best one are kept",
    )
    threads: int | None = Field(default=None, ge=1, description="null: as many as there are cores")


class CatBoostConfig(TreesConfig):
    """Settings of the fitter ``catboost``."""

    depth: int = Field(default=6, ge=1, le=16, description="of each tree, which is symmetric")
    device: Literal["cpu", "gpu"] = Field(
        default="cpu", description="what trains; answers are always the CPU's"
    )


class LeafwiseConfig(TreesConfig):
    """What the libraries have that grow trees leaf by leaf."""

    leaves: int = Field(default=31, ge=2, le=131072, description="leaves of a tree, at most")
    min_rows: int = Field(default=20, ge=1, description="training rows in a leaf, at least")


class LightGBMConfig(LeafwiseConfig):
    """Settings of the fitter ``lightgbm``."""

    feature_share: float = Field(
        default=0.9, gt=0, le=1, description="share of the features that a tree may use"
    )


class HistGradientBoostingConfig(LeafwiseConfig):
    """Settings of the fitter ``hist_gradient_boosting``."""

    feature_share: float = Field(
        default=1.0, gt=0, le=1, description="share of the features that a split may use"
    )
