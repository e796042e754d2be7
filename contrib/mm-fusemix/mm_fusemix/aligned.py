"""``Aligned``: what every encoder gives of a row is to be near, for each two of them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import torch
from mm_matching.api import BiEncoder, info_nce, keys
from torch import Tensor, nn

from mm_core.api.nn import Batch, Latents, Outputs, Parts
from mm_fusemix.adapter import Adapter
from mm_fusemix.configs import AlignedConfig

COLDEST, HOTTEST = 0.001, 0.5
"""Bounds of the temperature."""


class Aligned(BiEncoder):
    """A bi-encoder whose projections are adapters, trained by a symmetric InfoNCE between each two
    of its vectors, whichever sides they are of: n modalities lie in one space.

    A row that lacks an input takes part in the losses of those that it has.
    """

    config: AlignedConfig  # type: ignore[assignment]

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.vectors = tuple(one for side in self.sides for one in side)
        self.temperature = nn.Parameter(torch.tensor(self.config.temperature))

    def projection(self, width: int, dim: int) -> nn.Module:
        """An adapter."""
        config = self.config
        return Adapter(width, dim, config.blocks, config.expansion, config.dropout)

    def encode(self, batch: Batch) -> Latents:
        """As of a bi-encoder; and ``<vector>.key`` int64 [B], equal for rows that hold the same."""
        latents = super().encode(batch)
        for one in self.vectors:
            there = [batch.present[name] for name in one.inputs]
            latents[f"{one.name}.key"] = keys([batch.inputs[name] for name in one.inputs], there)
        return latents

    def forward_latents(self, latents: Latents, present: Mapping[str, Tensor]) -> Outputs:
        """``sides`` and ``keys``; ``vectors`` [B, V, D] of length 1 or zeros, and ``vector_keys``
        int64 [B, V], 0 where there is nothing.
        """
        found = self.directions(latents, present)
        return {
            **self.joined(found, latents),
            "vectors": torch.stack([found[one.name] for one in self.vectors], 1),
            "vector_keys": torch.stack([latents[f"{one.name}.key"] for one in self.vectors], 1),
        }

    @property
    def embeddings(self) -> tuple[str, ...]:
        """The two sides; of a side that is several vectors, each of these."""
        several = (one.name for side in self.sides if len(side) > 1 for one in side)
        return (*super().embeddings, *several)

    def embed(self, batch: Batch, of: str = "query") -> Tensor:
        """[B, D], length 1. What is not asked for is not encoded."""
        self.check_embedding(of)
        if of in super().embeddings:
            return super().embed(batch, of)
        return self.embedded(batch, [one for one in self.vectors if one.name == of])

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """The mean, over each two vectors, of the InfoNCE of the rows that have both.

        Rows that hold the same in either are no wrong answers to each other.
        """
        # Not in place for autograd: a loss may be asked for twice of one pass.
        self.temperature.data.clamp_(COLDEST, HOTTEST)
        vectors, codes = outputs["vectors"], outputs["vector_keys"]
        losses = []
        for i, j in combinations(range(len(self.vectors)), 2):
            both = (codes[:, i] != 0) & (codes[:, j] != 0)
            if batch.weight is not None:
                both = both & (batch.weight > 0)
            if both.sum() > 1:
                weight = None if batch.weight is None else batch.weight[both]
                losses.append(
                    self._of_two(
                        (vectors[both, i], vectors[both, j]),
                        (codes[both, i], codes[both, j]),
                        weight,
                    )
                )
        if not losses:
            nothing: Tensor = vectors.sum() * 0.0 + self.temperature * 0.0
            return nothing
        return torch.stack(losses).mean()

    def _of_two(
        self, pair: tuple[Tensor, Tensor], codes: tuple[Tensor, Tensor], weight: Tensor | None
    ) -> Tensor:
        left, right = pair
        same = (codes[0][:, None] == codes[0]) | (codes[1][:, None] == codes[1])
        own = torch.arange(len(left), device=left.device)
        same = same & (own[:, None] != own)
        scores = (left @ right.T / self.temperature).masked_fill(same, -torch.inf)
        return (info_nce(scores, own, weight) + info_nce(scores.T, own, weight)) / 2
