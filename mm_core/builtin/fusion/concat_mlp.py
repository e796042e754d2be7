"""Concatenation and an MLP, AutoMM's default fusion (arXiv 2404.16233), aware of presence."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mm_core.api.nn import Features, Fused, FusionHead
from mm_core.builtin.configs import ConcatMLPConfig
from mm_core.builtin.fusion.presence import AuxiliaryHeads, Projections, present_pooled


class ConcatMLP(FusionHead):
    """``h = MLP(LN([u_1; ...; u_K]))``.

    ``u_k = W_k LN(x_k) [dim]`` where input k is present, else a learned embedding. Each ``u_k``
    also gives an answer of its own, whose loss keeps a strong input from starving a weak one.
    """

    def __init__(
        self, config: ConcatMLPConfig, inputs: Mapping[str, Mapping[str, int]], output_dim: int
    ) -> None:
        super().__init__(config, inputs, output_dim)
        names = sorted(inputs)
        self.dim = config.hidden
        self.auxiliary_weight = config.auxiliary_weight
        self.project = Projections(inputs, config.dim)
        self.missing = nn.ParameterDict(
            {name: nn.Parameter(0.02 * torch.randn(config.dim)) for name in names}
        )
        self.auxiliary = AuxiliaryHeads(names, config.dim, output_dim, config.auxiliary_weight)
        self.mlp = _mlp(config.dim * len(names), config)

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        vectors = {
            name: torch.where(
                present[name][:, None],
                project(present_pooled(features[name], present[name])),
                self.missing[name],
            )
            for name, project in self.project.items()
        }
        pooled = self.mlp(torch.cat(list(vectors.values()), dim=1))
        return Fused(pooled=pooled, per_input=self.auxiliary(vectors))


def _mlp(width: int, config: ConcatMLPConfig) -> nn.Sequential:
    layers: list[nn.Module] = [nn.LayerNorm(width)]
    for _ in range(config.layers):
        layers += [nn.Linear(width, config.hidden), nn.GELU(), nn.Dropout(config.dropout)]
        width = config.hidden
    return nn.Sequential(*layers)
