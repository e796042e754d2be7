"""Settings and options; pydantic only."""

from __future__ import annotations

from typing import Literal

from mm_text.api import HFTokenizerConfig
from pydantic import Field

from mm_core.api import Config


class WindowsConfig(HFTokenizerConfig):
    """Settings of ``ner:windows``: ``max_length`` is that of a window."""

    overlap: float = Field(
        default=0.25,
        ge=0,
        le=0.8,
        description="share that two neighbouring windows of a long text have in common, so that "
        "each token has words on both sides",
    )
    tagged: Literal["words", "pieces"] = Field(
        default="words",
        description="'words': entities are made of whole words; 'pieces': an entity may begin and "
        "end inside of a word, as in languages that write 'in Rome' as one (Hebrew, Arabic)",
    )
    max_tokens: int = Field(
        default=8192,
        ge=8,
        description="of a text so many tokens are read; what lies beyond is told, and not found",
    )


class NEROptions(Config):
    """Options of the task ``ner``."""

    threshold: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="entities of which the model is less sure are left out",
    )
    scores: bool = Field(default=False, description="each entity with a score, 0 to 1")
