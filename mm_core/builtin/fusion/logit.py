"""Late fusion of answers: each input answers alone, a learned weighted mean decides."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mm_core.api.nn import Features, Fused, FusionHead
from mm_core.builtin.configs import LogitConfig
from mm_core.builtin.fusion.answers import OwnAnswers, weighted_mean


class Logit(FusionHead):
    """``y = sum_k w_k m_k f_k(x_k) / sum_k w_k m_k``; ``w`` is a softmax over the inputs.

    ``gates`` are the shares ``w_k m_k / sum``: the answer explains itself. A row with nothing
    present gets zeros: equal probabilities, or the mean.
    """

    def __init__(
        self, config: LogitConfig, inputs: Mapping[str, Mapping[str, int]], output_dim: int
    ) -> None:
        super().__init__(config, inputs, output_dim)
        self.auxiliary_weight = config.auxiliary_weight
        self.answer = OwnAnswers(inputs, config.hidden, config.dropout, output_dim)
        self.weight = nn.Parameter(torch.zeros(len(inputs)))

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        answers = self.answer(features, present)
        there = torch.stack([present[name] for name in answers])
        logits, shares = weighted_mean(torch.stack(list(answers.values())), self.weight, there)
        gates = dict(zip(answers, shares, strict=True))
        return Fused(logits=logits, per_input=answers, gates=gates)
