"""Settings of the exporter; pydantic only."""

from __future__ import annotations

from mm_core.api import Config
from pydantic import Field


class FolderConfig(Config):
    """Settings of the exporter ``folder``."""

    tolerance: float = Field(
        default=1e-4, gt=0, description="outputs that differ by more on the sample are an error"
    )
