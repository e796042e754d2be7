"""Settings of the fitter; pydantic only. Each is what users type after --set fit."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mm_core.api import Config


class InContextConfig(Config):
    """Settings of the fitter ``in_context``."""

    checkpoint: str | None = Field(
        default=None,
        description="a file of weights (.ckpt as TabICL publishes it, .safetensors as a saved "
        "model holds it), or the name of a published one; null: the newest for the task",
    )
    estimators: int = Field(
        default=8,
        ge=1,
        description="views of the table that are answered and averaged: columns in another order, "
        "classes in another order, numbers as they are or by a power transform",
    )
    batch_size: int = Field(
        default=8, ge=1, description="views at once; fewer take less memory and more time"
    )
    temperature: float = Field(
        default=0.9, gt=0, description="of the softmax over classes; below 1 it is surer"
    )
    cache: Literal["none", "repr", "kv"] = Field(
        default="none",
        description="what is kept of the context between answers, in memory: 'kv' answers single "
        "rows soonest and takes most, 'repr' takes less; 'none' reads the context each time",
    )
    context_rows: int = Field(
        default=50_000,
        ge=2,
        description="training rows at most: with more, the fit is refused; none is left out unsaid",
    )
    device: str | None = Field(
        default=None,
        description="where the fit answers the rows that are held out: 'cpu', 'cuda', 'cuda:1'; "
        "null: a GPU where there is one",
    )
