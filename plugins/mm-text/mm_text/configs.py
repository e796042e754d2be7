"""Settings of the text components."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from mm_core.api import Config
from mm_text.catalogue import CANDIDATES


class HFTokenizerConfig(Config):
    """Settings of ``text:hf_tokenizer``."""

    max_length: int | None = Field(
        default=None,
        ge=8,
        description="tokens per row, all columns and special tokens together; None: what the "
        "training rows need (max_length_quantile), at most max_length_cap and the model's maximum",
    )
    max_length_cap: int = Field(
        default=256, ge=8, description="upper bound of the length that is found from the data"
    )
    max_length_quantile: float = Field(
        default=0.99,
        gt=0,
        le=1,
        description="share of the training rows that fit without being cut",
    )
    vocab_size: int | None = Field(
        default=None,
        ge=300,
        description="size of the vocabulary trained where checkpoint=random; None: 4096",
    )


class HFTextConfig(Config):
    """Settings of ``text:hf``."""

    checkpoint: str | tuple[str, ...] = Field(
        default=CANDIDATES["high_quality"],
        description="pretrained weights: folder, hub name, weight package, or 'random' for none; "
        "of several the first that can be had",
    )
    pooling: Literal["auto", "cls", "mean"] = Field(
        default="auto",
        description="vector of a row: first token or mean of its tokens; auto: mean for sentence "
        "encoders and for models without a leading special token, cls for all others",
    )
    hidden_size: int | None = Field(
        default=None,
        ge=16,
        multiple_of=16,
        description="width of the encoder built where checkpoint=random; None: 64",
    )
    num_hidden_layers: int | None = Field(
        default=None, ge=1, description="its number of layers; None: 2"
    )

    @model_validator(mode="after")
    def _sizes_are_for_random_only(self) -> Self:
        names = (self.checkpoint,) if isinstance(self.checkpoint, str) else self.checkpoint
        sized = self.hidden_size is not None or self.num_hidden_layers is not None
        if sized and "random" not in names:
            raise ValueError(
                "hidden_size and num_hidden_layers size the encoder of checkpoint=random; "
                "pretrained weights bring their own"
            )
        return self
