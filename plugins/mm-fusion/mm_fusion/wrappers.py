"""Around any fusion head: what happens to its inputs, and losses beside its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from mm_core.api.nn import Batch, Dims, Features, Fused, FusionHead, Outputs
from mm_fusion.configs import AlignConfig, MissingEmbeddingConfig, ModalityDropoutConfig
from mm_fusion.inputs import Projected, width_of


class Wrapper(FusionHead):
    """What wrappers share: the head inside, whose width and losses are theirs."""

    def __init__(self, config: Any, inputs: Mapping[str, Dims], output_dim: int) -> None:
        super().__init__(config, inputs, output_dim)
        self.head: FusionHead = config.head.build(inputs, output_dim)
        self.auxiliary_weight = self.head.auxiliary_weight
        if hasattr(self.head, "dim"):  # it gives a vector, not logits
            self.dim = self.head.dim

    def loss(self, outputs: Outputs, batch: Batch, of: Callable[[Batch], Tensor]) -> Tensor:
        """That of the head inside."""
        return self.head.loss(outputs, batch, of)


class ModalityDropout(Wrapper):
    """Inputs of single rows are left out at random in training (ModDrop, arXiv 1501.00102).

    The head learns to do without any of them. A row that would lose all keeps all.
    """

    config: ModalityDropoutConfig

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        if self.training:
            names = sorted(present)
            there = torch.stack([present[name] for name in names])
            kept = there & (torch.rand(there.shape, device=there.device) >= self.config.rate)
            kept = torch.where(kept.any(dim=0), kept, there)
            present = dict(zip(names, kept, strict=True))
        return self.head(features, present)  # type: ignore[no-any-return]


class MissingEmbedding(Wrapper):
    """A learned vector stands for an input that a row lacks; the head inside sees it as present.

    It reads pooled features; heads of tokens have a mask, and need none.
    """

    def __init__(
        self, config: MissingEmbeddingConfig, inputs: Mapping[str, Dims], output_dim: int
    ) -> None:
        super().__init__(config, inputs, output_dim)
        self.instead = nn.ParameterDict(
            {
                name: nn.Parameter(0.02 * torch.randn(width_of(inputs, name, "pooled")))
                for name in sorted(inputs)
            }
        )

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        filled, all_there = {}, {}
        for name, instead in self.instead.items():
            there = present[name][:, None]
            pooled = torch.where(there, features[name].pooled, instead)  # type: ignore[arg-type]
            filled[name] = replace(features[name], pooled=pooled)
            all_there[name] = torch.ones_like(present[name])
        return self.head(filled, all_there)  # type: ignore[no-any-return]


class Align(Wrapper):
    """A contrastive loss draws the inputs of one row together (symmetric InfoNCE of CLIP, arXiv
    2103.00020), over the rows of the batch that have both, for each two inputs.
    """

    config: AlignConfig

    def __init__(self, config: AlignConfig, inputs: Mapping[str, Dims], output_dim: int) -> None:
        super().__init__(config, inputs, output_dim)
        self.project = Projected(inputs, config.dim) if len(inputs) > 1 else None

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        fused: Fused = self.head(features, present)
        if not self.training or self.project is None:
            return fused
        vectors = nn.functional.normalize(self.project(features, present).float(), dim=2)
        losses = [
            self._apart(vectors[i][rows], vectors[j][rows])
            for i, j in combinations(range(len(vectors)), 2)
            if (rows := self._both(present, i, j)).sum() > 1
        ]
        if not losses:
            return fused
        loss = self.config.weight * torch.stack(losses).mean()
        return replace(fused, aux_losses={**fused.aux_losses, "align": loss})

    def _both(self, present: Mapping[str, Tensor], i: int, j: int) -> Tensor:
        assert self.project is not None
        names = self.project.names
        return present[names[i]] & present[names[j]]

    def _apart(self, left: Tensor, right: Tensor) -> Tensor:
        scores = left @ right.T / self.config.temperature
        own = torch.arange(len(scores), device=scores.device)
        each = nn.functional.cross_entropy
        return (each(scores, own) + each(scores.T, own)) / 2
