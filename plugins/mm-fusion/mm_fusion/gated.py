"""Heads of gates: how much of each input goes into the fused vector."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mm_core.api import RecipeError
from mm_core.api.config import suggest
from mm_core.api.nn import Dims, Features, Fused, FusionHead
from mm_fusion.configs import FiLMConfig, GatedResidualConfig, GMUConfig, MoEConfig
from mm_fusion.inputs import OwnAnswers, Projected, mlp, softmax_over_present, there_of


class GMU(FusionHead):
    """Gated multimodal unit, arXiv 1702.01992, for any number of inputs.

    ``h = sum_k z_k * tanh(u_k)``, ``z = softmax_k(W_z [u_1; ...; u_K])`` for each unit, over the
    inputs that are there. ``gates`` are the means of ``z_k`` over the units.
    """

    def __init__(self, config: GMUConfig, inputs: Mapping[str, Dims], output_dim: int) -> None:
        super().__init__(config, inputs, output_dim)
        self.dim, self.auxiliary_weight = config.dim, config.auxiliary_weight
        self.project = Projected(inputs, config.dim)
        names = self.project.names
        self.gate = nn.Linear(len(names) * config.dim, len(names) * config.dim)
        self.own = OwnAnswers(names, config.dim, output_dim, config.auxiliary_weight)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        vectors, names = self.project(features, present), self.project.names  # [K, B, dim]
        there = there_of(names, present)
        scores = self.gate(torch.cat(list(vectors), dim=1))
        scores = torch.stack(scores.split(self.dim, dim=1))  # [K, B, dim]
        shares = softmax_over_present(scores, there[:, :, None])
        units = self.drop(vectors.tanh())
        return Fused(
            pooled=(shares * units).sum(dim=0),
            per_input=self.own(dict(zip(names, units, strict=True))),
            gates=dict(zip(names, shares.mean(dim=2), strict=True)),
        )


class GatedResidual(FusionHead):
    """Each input, and through a gate what the others add (after the gates of arXiv 2204.14198).

    ``v_k = u_k + tanh(g_k) W_k [u_j]_{j != k}``, ``h = MLP([v_1; ...; v_K])``. The gates start
    near zero: the head begins as a concatenation.
    """

    def __init__(
        self, config: GatedResidualConfig, inputs: Mapping[str, Dims], output_dim: int
    ) -> None:
        super().__init__(config, inputs, output_dim)
        self.dim, self.auxiliary_weight = config.dim, config.auxiliary_weight
        self.project = Projected(inputs, config.dim)
        names = self.project.names
        others = max(len(names) - 1, 0) * config.dim
        self.mix = nn.ModuleDict({name: nn.Linear(others, config.dim) for name in names if others})
        self.gate = nn.ParameterDict(
            {name: nn.Parameter(torch.full((config.dim,), config.gate)) for name in self.mix}
        )
        self.own = OwnAnswers(names, config.dim, output_dim, config.auxiliary_weight)
        self.mlp = mlp(len(names) * config.dim, config.dim, config.dropout)

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        names = self.project.names
        vectors = dict(zip(names, self.project(features, present), strict=True))
        mixed = dict(vectors)
        for name, layer in self.mix.items():
            others = torch.cat([vectors[other] for other in names if other != name], dim=1)
            mixed[name] = vectors[name] + self.gate[name].tanh() * layer(others)
        return Fused(
            pooled=self.mlp(torch.cat([mixed[name] for name in names], dim=1)),
            per_input=self.own(vectors),
        )


class FiLM(FusionHead):
    """Feature-wise linear modulation, arXiv 1709.07871: ``v_k = gamma(c) * u_k + beta(c)``.

    ``c`` is the conditioning input, or for each input the mean of the others; ``h`` is an MLP of
    all ``v_k``, and of the conditioning input as it is. ``gamma`` starts near 1, ``beta`` near 0.

    Raises:
        RecipeError: the conditioning input is none of the inputs.
    """

    def __init__(self, config: FiLMConfig, inputs: Mapping[str, Dims], output_dim: int) -> None:
        super().__init__(config, inputs, output_dim)
        self.dim, self.auxiliary_weight = config.dim, config.auxiliary_weight
        self.project = Projected(inputs, config.dim)
        names, self.condition = self.project.names, config.condition
        if self.condition is not None and self.condition not in names:
            near = suggest(self.condition, names)
            raise RecipeError(
                f"fusion.condition = {self.condition!r} is no backbone of this model",
                plugin="fusion:film",
                value=self.condition,
                remedy=f"did you mean {near!r}?" if near else f"one of {', '.join(names)}",
            )
        modulated = [name for name in names if name != self.condition and len(names) > 1]
        self.modulate = nn.ModuleDict(
            {name: nn.Linear(config.dim, 2 * config.dim) for name in modulated}
        )
        self.own = OwnAnswers(names, config.dim, output_dim, config.auxiliary_weight)
        self.mlp = mlp(len(names) * config.dim, config.dim, config.dropout)

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        names = self.project.names
        stacked, there = self.project(features, present), there_of(names, present)
        vectors = dict(zip(names, stacked, strict=True))
        mixed = dict(vectors)
        for name, layer in self.modulate.items():
            gamma, beta = layer(self._context(name, vectors, stacked, there)).chunk(2, dim=1)
            mixed[name] = (1 + gamma) * vectors[name] + beta
        return Fused(
            pooled=self.mlp(torch.cat([mixed[name] for name in names], dim=1)),
            per_input=self.own(vectors),
        )

    def _context(
        self, name: str, vectors: Mapping[str, Tensor], stacked: Tensor, there: Tensor
    ) -> Tensor:
        """[B, dim], what the input is conditioned by; zeros where a row has nothing of it."""
        if self.condition is not None:
            return vectors[self.condition]
        position = self.project.names.index(name)
        others = there.sum(dim=0) - there[position].long()
        return (stacked.sum(dim=0) - vectors[name]) / others.clamp_min(1)[:, None]


class MoE(FusionHead):
    """Sparsely gated mixture of experts, arXiv 1701.06538.

    ``h = sum_{i in top} softmax(s_top)_i E_i([u; m])``, ``s = W_g [u; m]``, noisy in training;
    ``m`` says which inputs are there, so that experts can be those of a pattern of presence.
    Squared coefficients of variation of importance and load are added to the loss.
    """

    def __init__(self, config: MoEConfig, inputs: Mapping[str, Dims], output_dim: int) -> None:
        super().__init__(config, inputs, output_dim)
        self.dim, self.auxiliary_weight = config.hidden, config.auxiliary_weight
        self.project = Projected(inputs, config.dim)
        names = self.project.names
        width = len(names) * (config.dim + 1)
        self.gate = nn.Linear(width, config.experts)
        self.noise = nn.Linear(width, config.experts)
        self.experts = nn.ModuleList(
            mlp(width, config.hidden, config.dropout) for _ in range(config.experts)
        )
        self.own = OwnAnswers(names, config.dim, output_dim, config.auxiliary_weight)

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        names = self.project.names
        vectors = self.project(features, present)
        there = there_of(names, present).to(vectors.dtype)
        read = torch.cat([*vectors, there.T], dim=1)
        scores = self.gate(read).float()
        if self.training:
            spread = nn.functional.softplus(self.noise(read).float())
            scores = scores + torch.randn_like(scores) * spread
        best = scores.topk(self.config.top, dim=1)
        kept = torch.full_like(scores, -torch.inf).scatter(1, best.indices, best.values)
        shares = kept.softmax(dim=1)  # [B, E], zeros but for the best
        answers = torch.stack([expert(read) for expert in self.experts], dim=1)
        balance = _variation(shares.sum(dim=0))
        return Fused(
            pooled=(shares.to(answers.dtype)[:, :, None] * answers).sum(dim=1),
            per_input=self.own(dict(zip(names, vectors, strict=True))),
            aux_losses={"balance": self.config.balance * balance} if self.training else {},
        )


def _variation(importance: Tensor) -> Tensor:
    """Squared coefficient of variation, of the experts' shares in a batch."""
    if len(importance) == 1:
        return importance.sum() * 0.0
    return importance.var() / importance.mean().clamp_min(1e-6) ** 2
