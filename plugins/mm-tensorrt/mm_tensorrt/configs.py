"""Settings of the exporter; pydantic only."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from mm_core.api import Config


class TensorRTConfig(Config):
    """Settings of the exporter ``tensorrt``."""

    precision: Literal["32", "16", "bf16"] = Field(
        default="32",
        description="what kernels may compute in: 32 bits (and no TF32), or halves or bfloat16 "
        "where these are faster; what goes in and comes out stays as it is",
    )
    rows: int = Field(
        default=256,
        ge=1,
        description="rows at once, at most: larger batches are answered in parts",
    )
    usual_rows: int = Field(
        default=32,
        ge=1,
        description="rows at once that kernels are chosen for; at most ``rows``",
    )
    longest: int | None = Field(
        default=None,
        ge=1,
        description="tokens of a row, at most; None: as many as its processor lets through, or, "
        "where that is not known, as the longest of the sample",
    )
    workspace_mb: int = Field(
        default=2048, ge=1, description="memory of the GPU that a kernel may use while it runs"
    )
    timing_cache: str | None = Field(
        default=None,
        description="a file that remembers which kernels were fastest, so that the next engine is "
        "built in less time on the same GPU; None: none",
    )
    tolerance: float = Field(
        default=1e-3,
        gt=0,
        description="in 32 bits, outputs that differ by more on the sample (of numbers above 1: by "
        "this share) are an error",
    )
    agreement: float = Field(
        default=0.99,
        ge=0,
        le=1,
        description="in 16 bits, fewer equal answers on the sample than this share are an error",
    )

    @field_validator("precision", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """``precision=16`` of a command line or a file is the number."""
        return str(value) if isinstance(value, int) else value
