"""Several modalities: the encoders' vectors side by side, and an MLP over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.bare.loop import Part


class Fused(nn.Module):
    """Late fusion by concatenation."""

    def __init__(self, parts: Sequence[Part], n_outputs: int) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(part.encoder for part in parts)
        width = sum(part.width for part in parts)
        self.head = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 256),
            nn.GELU(),
            nn.Dropout(0.1),
            nn.Linear(256, n_outputs),
        )

    def forward(self, inputs: list[Any]) -> Tensor:
        vectors = [encode(x) for encode, x in zip(self.encoders, inputs, strict=True)]
        logits: Tensor = self.head(torch.cat(vectors, dim=1))
        return logits
