"""Hybrid fusion: what all inputs say together, and what each says alone, in one answer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mm_core.api.nn import Features, Fused, FusionHead
from mm_core.builtin.configs import HybridConfig
from mm_core.builtin.fusion.answers import OwnAnswers, weighted_mean
from mm_core.builtin.fusion.concat_mlp import ConcatMLP


class Hybrid(FusionHead):
    """``y = (w_0 f_0(x_1, ..., x_K) + sum_k w_k m_k f_k(x_k)) / (w_0 + sum_k w_k m_k)``.

    ``f_0`` is a linear layer on what ``core:concat_mlp`` gives, ``f_k`` an MLP on one input, ``w``
    a softmax: both kinds of fusion, of features and of answers, at once (hybrid fusion in the terms
    of Baltrusaitis et al. 2017, arXiv 1705.09406). What an input knows alone is in the answer
    whatever the others do, and the mean varies less than each of its parts.
    """

    def __init__(
        self, config: HybridConfig, inputs: Mapping[str, Mapping[str, int]], output_dim: int
    ) -> None:
        super().__init__(config, inputs, output_dim)
        self.auxiliary_weight = config.auxiliary_weight
        without = config.model_copy(update={"auxiliary_weight": 0.0})  # answers stand below
        self.together = ConcatMLP(without, inputs, output_dim)
        self.head = nn.Linear(self.together.dim, output_dim)
        self.alone = OwnAnswers(inputs, config.own_hidden, config.dropout, output_dim)
        self.weight = nn.Parameter(torch.zeros(1 + len(inputs)))

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        joint = self.head(self.together(features, present).pooled)
        answers = self.alone(features, present)
        there = [present[name] for name in answers]
        always = torch.ones_like(there[0])  # ``f_0`` has a learned vector for what is absent
        logits, _ = weighted_mean(
            torch.stack([joint, *answers.values()]), self.weight, torch.stack([always, *there])
        )
        return Fused(logits=logits, per_input=answers)
