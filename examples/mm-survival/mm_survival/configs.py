"""Settings of the task; pydantic only. Each is what users type after --set."""

from __future__ import annotations

from mm_core.api import Config
from pydantic import Field


class HazardsConfig(Config):
    """Settings of the task ``hazards``."""

    intervals: int = Field(
        default=20,
        ge=1,
        description="intervals of time in which a hazard is constant; about as many events in each",
    )
    flexibility: int = Field(
        default=2,
        ge=0,
        description="degree of the polynomial by which an effect changes over time; 0: proportional"
        " hazards",
    )
    shrinkage: float = Field(
        default=0.02,
        ge=0,
        description="penalty on effects that change over time, towards proportional hazards",
    )
