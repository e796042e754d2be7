"""Texts that are no cells, such as names of classes, by a checkpoint's own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor


def read_words(folder: Path, texts: Sequence[str]) -> dict[str, Tensor]:
    """``input_ids`` and ``attention_mask``, int64 [N, T] each, padded on the right."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False
    )
    arrays = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
    ids = arrays["input_ids"]
    # Those of models that attend to the padding (SigLIP) give no mask.
    return {"input_ids": ids, "attention_mask": arrays.get("attention_mask", torch.ones_like(ids))}
