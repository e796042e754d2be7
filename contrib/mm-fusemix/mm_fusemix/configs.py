"""Settings; pydantic only."""

from __future__ import annotations

from typing import ClassVar

from mm_fusion.api import CachedConfig
from pydantic import Field

from mm_core.api import Config


class AlignedConfig(Config):
    """Settings of the adapters and of their loss: ``topology.*``."""

    # Settings of a bi-encoder that adapters do without.
    dims: ClassVar[tuple[int, ...]] = ()
    mini_batch: ClassVar[int | None] = None

    dim: int = Field(default=512, ge=1, description="width of the common space")
    blocks: int = Field(
        default=2,
        ge=0,
        description="residual blocks of each adapter; 0: a linear projection. The paper has 4, for "
        "millions of pairs",
    )
    expansion: int = Field(default=4, ge=1, description="a block is so many times as wide inside")
    dropout: float = Field(
        default=0.3, ge=0, lt=1, description="dropout probability in blocks; the paper has 0.6"
    )
    temperature: float = Field(
        default=0.07,
        ge=0.001,
        le=0.5,
        description="cosines are divided by it: where it starts, it is learned, from 0.001 to 0.5",
    )


class LatentMixConfig(CachedConfig):
    """Settings of the fitter ``latent_mix``: ``fit.*``."""

    alpha: float | None = Field(
        default=1.0,
        gt=0,
        description="of the Beta distribution of the share, one for all inputs of a batch; 1: all "
        "shares alike; None: nothing is mixed",
    )
