"""Adapters above frozen encoders."""

from __future__ import annotations

from torch import Tensor, nn


class Adapter(nn.Module):
    """``x <- x + W2 Drop(GELU(W1 LN(x)))`` some times, then ``W LN(x)`` (arXiv 2312.10144).

    Args:
        width: of an encoder's vector.
        dim: of the common space.
        blocks: how often; 0: only the last step.
        expansion: a block is so many times as wide inside.
        dropout: probability.
    """

    def __init__(self, width: int, dim: int, blocks: int, expansion: int, dropout: float) -> None:
        super().__init__()
        self.out_features = dim
        self.blocks = nn.ModuleList(_block(width, expansion, dropout) for _ in range(blocks))
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, dim))

    def forward(self, vectors: Tensor) -> Tensor:
        """[B, width] -> [B, dim]."""
        for block in self.blocks:
            vectors = vectors + block(vectors)
        found: Tensor = self.out(vectors)
        return found


def _block(width: int, expansion: int, dropout: float) -> nn.Sequential:
    """An inverted bottleneck: wider inside than outside."""
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, expansion * width),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(expansion * width, width),
    )
