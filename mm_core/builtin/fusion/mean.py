"""Mean of what is present: does not depend on the number of inputs (Ludwig's project_aggregate)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mm_core.api.nn import Features, Fused, FusionHead
from mm_core.builtin.configs import MeanConfig
from mm_core.builtin.fusion.presence import AuxiliaryHeads, Projections, present_pooled


class Mean(FusionHead):
    """``h = sum_k m_k u_k / sum_k m_k`` with ``u_k = W_k LN(x_k)``; zeros where all are absent."""

    def __init__(
        self, config: MeanConfig, inputs: Mapping[str, Mapping[str, int]], output_dim: int
    ) -> None:
        super().__init__(config, inputs, output_dim)
        names = sorted(inputs)
        self.dim = config.dim
        self.auxiliary_weight = config.auxiliary_weight
        self.project = Projections(inputs, config.dim)
        self.dropout = nn.Dropout(config.dropout)
        self.auxiliary = AuxiliaryHeads(names, config.dim, output_dim, config.auxiliary_weight)

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        vectors = {
            name: self.dropout(project(present_pooled(features[name], present[name])))
            for name, project in self.project.items()
        }
        mask = torch.stack([present[name] for name in vectors])[:, :, None]  # [K, B, 1]
        total = torch.where(mask, torch.stack(list(vectors.values())), 0.0).sum(dim=0)
        pooled = total / mask.sum(dim=0).clamp_min(1)
        return Fused(pooled=pooled, per_input=self.auxiliary(vectors))
