"""Settings of the exporter; pydantic only."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from mm_core.api import Config


class OnnxConfig(Config):
    """Settings of the exporter ``onnx``."""

    precision: Literal["32", "16", "int8", "int8_static"] = Field(
        default="32",
        description="what the weights are kept in: 32 or 16 bits; int8 for those of linear layers "
        "(activations are measured in each call); int8_static for convolutions, linear layers and "
        "what runs between them (measured once, on rows of the sample)",
    )
    calibration: Literal["minmax", "entropy"] = Field(
        default="minmax",
        description="int8_static: which range of what runs between layers is kept: all that was "
        "seen, or the part that loses least (slower, and some 50 MB a picture)",
    )
    calibration_rows: int = Field(
        default=64,
        ge=1,
        description="int8_static: rows of the sample that ranges are measured on, at most; never "
        "more than half of them, and the others are compared",
    )
    weight_bits: Literal[7, 8] = Field(
        default=7,
        description="int8_static: bits of weights; 8 are nearer, and right only where the graph "
        "answers on x86 processors with VNNI or on ARM: others overflow. Depthwise convolutions "
        "have 8 always",
    )
    tolerance: float = Field(
        default=1e-4,
        gt=0,
        description="in 32 bits, outputs that differ by more on the sample (of numbers above 1: by "
        "this share) are an error",
    )
    agreement: float = Field(
        default=0.99,
        ge=0,
        le=1,
        description="in 16 or 8 bits, fewer equal answers on the sample than this share are an "
        "error; in any, if the task makes as few of the network's own arrays",
    )

    @field_validator("precision", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """``precision=16`` of a command line or a file is the number."""
        return str(value) if isinstance(value, int) else value
