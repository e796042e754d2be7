"""Late fusion of answers: each input answers alone, a learned weighted mean decides."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mm_core.api.nn import Features, Fused, FusionHead
from mm_core.builtin.configs import LogitConfig
from mm_core.builtin.fusion.presence import pooled_width, present_pooled


class Logit(FusionHead):
    """``y = sum_k w_k m_k f_k(x_k) / sum_k w_k m_k``; ``w`` is a softmax over the inputs.

    ``gates`` are the shares ``w_k m_k / sum``: the answer explains itself. A row with nothing
    present gets zeros: equal probabilities, or the mean.
    """

    def __init__(
        self, config: LogitConfig, inputs: Mapping[str, Mapping[str, int]], output_dim: int
    ) -> None:
        super().__init__(config, inputs, output_dim)
        names = sorted(inputs)
        self.auxiliary_weight = config.auxiliary_weight
        self.answer = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.LayerNorm(pooled_width(name, inputs[name])),
                    nn.Linear(pooled_width(name, inputs[name]), config.hidden),
                    nn.GELU(),
                    nn.Dropout(config.dropout),
                    nn.Linear(config.hidden, output_dim),
                )
                for name in names
            }
        )
        self.weight = nn.Parameter(torch.zeros(len(names)))

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        answers = {
            name: answer(present_pooled(features[name], present[name]))
            for name, answer in self.answer.items()
        }
        mask = torch.stack([present[name] for name in answers])  # [K, B]
        shares = torch.where(mask, self.weight.softmax(dim=0)[:, None], 0.0)
        shares = shares / shares.sum(dim=0).clamp_min(1e-12)
        logits = (shares[:, :, None] * torch.stack(list(answers.values()))).sum(dim=0)
        gates = dict(zip(answers, shares, strict=True))
        return Fused(logits=logits, per_input=answers, gates=gates)
