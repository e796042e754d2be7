"""Settings of the trees; pydantic only. Each is what users type after --set fit."""

from __future__ import annotations

from mm_core.api import Config
from pydantic import Field


class TreesConfig(Config):
    """Settings of the fitter ``trees``."""

    rounds: int = Field(default=1000, ge=1, description="trees of each output, at most")
    learning_rate: float = Field(default=0.05, gt=0, le=1, description="share of each tree")
    leaves: int = Field(default=31, ge=2, description="leaves of a tree, at most")
    min_rows: int = Field(default=20, ge=1, description="training rows in a leaf, at least")
    feature_share: float = Field(
        default=0.9, gt=0, le=1, description="share of the features that a tree may use"
    )
    l2: float = Field(default=0.0, ge=0, description="penalty on the squares of leaf values")
    patience: int = Field(
        default=50, ge=1, description="rounds without a better validation score before it stops"
    )
    validate_every: int = Field(default=5, ge=1, description="rounds between validations")
    threads: int | None = Field(default=None, ge=1, description="null: as many as there are cores")
