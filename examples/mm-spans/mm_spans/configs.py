"""What may be given with a prediction; pydantic only."""

from __future__ import annotations

from mm_core.api import Config
from pydantic import Field


class TaggingOptions(Config):
    """Options of the task ``tagging``."""

    threshold: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="entities of which the model is less sure are left out",
    )
