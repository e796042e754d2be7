"""Prompts before texts that are tokens already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def with_prompt(arrays: Mapping[str, Any], info: Mapping[str, Any], side: str) -> dict[str, Any]:
    """A text's arrays with the tokens of a side's prompt put in; as they are where it has none.

    Args:
        arrays: int64 [B, T] each: ``input_ids``, ``attention_mask``, perhaps ``token_type_ids``.
        info: of the processor: ``prompts``, side -> ids; ``prefix``, tokens that stay before them.
        side: ``"query"`` or ``"response"``.
    """
    ids = list(info.get("prompts", {}).get(side, ()))
    if not ids:
        return dict(arrays)
    at = int(info["prefix"])
    found = {}
    for name, value in arrays.items():
        fill = {"input_ids": ids, "attention_mask": [1] * len(ids)}.get(name, [0] * len(ids))
        prompt = torch.tensor(fill, dtype=value.dtype).to(value.device).expand(len(value), -1)
        parts: list[Tensor] = [value[:, :at], prompt, value[:, at:]]
        found[name] = torch.cat(parts, dim=1)
    return found
