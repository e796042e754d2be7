"""What inputs have in common, and what each has of its own."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mm_core.api.nn import Dims, Features, Fused, FusionHead
from mm_fusion.configs import ShaSpecConfig
from mm_fusion.inputs import OwnAnswers, Projected, mlp, there_of


class ShaSpec(FusionHead):
    """Shared-specific feature modelling, arXiv 2307.14126.

    ``r_k = E(u_k)`` by one network for all inputs, ``s_k = E_k(u_k)`` by one for each,
    ``f_k = r_k + P [r_k; s_k]``. Of an input that a row lacks, ``f_k`` is the mean of the ``r_j``
    that it has. ``h = MLP([f_1; ...; f_K])``.

    Two losses in training: ``alignment`` times the mean absolute difference of ``r_j`` and ``r_k``
    of rows that have both, and ``domain`` times the cross-entropy of telling ``k`` by ``s_k``.
    """

    config: ShaSpecConfig

    def __init__(self, config: ShaSpecConfig, inputs: Mapping[str, Dims], output_dim: int) -> None:
        super().__init__(config, inputs, output_dim)
        self.dim, self.auxiliary_weight = config.dim, config.auxiliary_weight
        self.project = Projected(inputs, config.dim)
        names = self.project.names
        self.shared = mlp(config.dim, config.dim, config.dropout)
        self.specific = nn.ModuleDict(
            {name: mlp(config.dim, config.dim, config.dropout) for name in names}
        )
        self.joint = nn.Linear(2 * config.dim, config.dim)
        tells = len(names) > 1 and config.domain > 0
        self.which = nn.Linear(config.dim, len(names)) if tells else None
        self.own = OwnAnswers(names, config.dim, output_dim, config.auxiliary_weight)
        self.mlp = mlp(len(names) * config.dim, config.dim, config.dropout)

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        names = self.project.names
        vectors, there = self.project(features, present), there_of(names, present)
        own = torch.stack(
            [self.specific[name](one) for name, one in zip(names, vectors, strict=True)]
        )
        shared = torch.where(there[:, :, None], self.shared(vectors), 0.0)  # [K, B, dim]
        instead = shared.sum(dim=0) / there.sum(dim=0).clamp_min(1)[:, None]
        whole = shared + self.joint(torch.cat([shared, own], dim=2))
        found = torch.where(there[:, :, None], whole, instead)
        return Fused(
            pooled=self.mlp(torch.cat(list(found), dim=1)),
            per_input=self.own(dict(zip(names, found, strict=True))),
            aux_losses=self._losses(shared, own, there) if self.training else {},
        )

    def _losses(self, shared: Tensor, own: Tensor, there: Tensor) -> dict[str, Tensor]:
        losses = {}
        apart = [
            (shared[j][both] - shared[k][both]).float().abs().mean()
            for j, k in combinations(range(len(shared)), 2)
            if (both := there[j] & there[k]).any()
        ]
        if apart and self.config.alignment > 0:
            losses["alignment"] = self.config.alignment * torch.stack(apart).mean()
        if self.which is not None and there.any():
            right = torch.arange(len(own), device=own.device)[:, None].expand(there.shape)
            said = self.which(own)[there].float()
            losses["domain"] = self.config.domain * functional.cross_entropy(said, right[there])
        return losses
