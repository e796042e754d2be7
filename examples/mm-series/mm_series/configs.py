"""Settings of the components; pydantic only. Each is what users type after --set."""

from __future__ import annotations

from typing import Literal

from mm_core.api import Config
from pydantic import Field


class PointsConfig(Config):
    """Settings of the processor ``points``."""

    scaling: Literal["column", "series"] = Field(
        default="column",
        description="'column' standardises by all training points of the column, 'series' each "
        "series by its own points, which leaves its shape and takes its level and spread away",
    )
    clip: float = Field(
        default=20.0, gt=0, description="standardised points are cut at plus and minus this"
    )
    max_length: int = Field(
        default=1024, ge=1, description="points of a series that are read; fit warns of longer ones"
    )
    keep: Literal["first", "last"] = Field(
        default="first", description="which points of a series longer than max_length are read"
    )
    jitter: float = Field(
        default=0.0,
        ge=0,
        description="in training: deviation of the noise on standardised points",
    )


class SeriesResNetConfig(Config):
    """Settings of the backbone ``resnet``."""

    width: int = Field(default=64, ge=1, description="channels, and width of pooled and tokens")
    n_blocks: int = Field(default=3, ge=1, description="residual blocks of three convolutions")
    dilation: int = Field(
        default=1,
        ge=1,
        description="block i (from 0) looks at points that are dilation**i apart; three blocks see "
        "37 points around each with 1, and 85 with 2",
    )
    pooling: Literal["mean", "max"] = Field(default="mean", description="points to one vector")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="of channels, after each block")
