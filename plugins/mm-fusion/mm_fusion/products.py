"""Heads of products: every unit of an input meets every unit of the others."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from mm_core.api import RecipeError
from mm_core.api.nn import Dims, Features, Fused, FusionHead
from mm_fusion.configs import BlockConfig, DeepSetConfig, LMFConfig, TFNConfig
from mm_fusion.inputs import OwnAnswers, Projected, mlp, there_of


class TFN(FusionHead):
    """Tensor fusion network, arXiv 1707.07250: ``h = MLP(vec([1; u_1] x ... x [1; u_K]))``.

    An absent input is ``[1; 0]``: the products of the others stay.

    Raises:
        RecipeError: the tensor has more than ``budget`` entries.
    """

    def __init__(self, config: TFNConfig, inputs: Mapping[str, Dims], output_dim: int) -> None:
        super().__init__(config, inputs, output_dim)
        self.dim, self.auxiliary_weight = config.hidden, config.auxiliary_weight
        self.project = Projected(inputs, config.dim)
        names = self.project.names
        width = (config.dim + 1) ** len(names)
        if width > config.budget:
            raise RecipeError(
                f"the tensor of {len(names)} inputs of width {config.dim} has {width:,} entries, "
                f"more than fusion.budget = {config.budget:,}",
                plugin="fusion:tfn",
                value=width,
                remedy=f"set fusion.dim={_largest(config.budget, len(names))}, or take fusion=lmf",
            )
        self.own = OwnAnswers(names, config.dim, output_dim, config.auxiliary_weight)
        self.mlp = mlp(width, config.hidden, config.dropout)

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        vectors = self.project(features, present)
        product = _one_and(vectors[0])
        for vector in vectors[1:]:
            product = (product[:, :, None] * _one_and(vector)[:, None, :]).flatten(1)
        own = self.own(dict(zip(self.project.names, vectors, strict=True)))
        return Fused(pooled=self.mlp(product), per_input=own)


class LMF(FusionHead):
    """Low-rank multimodal fusion, arXiv 1806.00064: the tensor of TFN, factorised.

    ``h = sum_r w_r prod_k V_k^r [1; u_k] + b``; the factor of an absent input is 1.
    """

    def __init__(self, config: LMFConfig, inputs: Mapping[str, Dims], output_dim: int) -> None:
        super().__init__(config, inputs, output_dim)
        self.dim, self.auxiliary_weight = config.dim, config.auxiliary_weight
        self.project = Projected(inputs, config.dim)
        names = self.project.names
        self.factors = nn.ModuleDict(
            {name: nn.Linear(config.dim, config.rank * config.dim) for name in names}
        )
        for layer in self.factors.values():  # a product of K factors near 1 neither dies nor bursts
            nn.init.ones_(layer.bias)  # type: ignore[arg-type]
        self.weight = nn.Parameter(torch.full((config.rank,), 1 / config.rank))
        self.bias = nn.Parameter(torch.zeros(config.dim))
        self.own = OwnAnswers(names, config.dim, output_dim, config.auxiliary_weight)
        self.out = nn.Sequential(nn.LayerNorm(config.dim), nn.Dropout(config.dropout))

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        names = self.project.names
        vectors = dict(zip(names, self.project(features, present), strict=True))
        factors = [
            torch.where(
                present[name][:, None, None],
                self.factors[name](vectors[name]).unflatten(1, (self.config.rank, self.dim)),
                1.0,
            )
            for name in names
        ]
        product = torch.stack(factors).prod(dim=0)  # [B, rank, dim]
        fused = (self.weight[:, None] * product).sum(dim=1) + self.bias
        return Fused(pooled=self.out(fused), per_input=self.own(vectors))


class Block(FusionHead):
    """Block-superdiagonal fusion, arXiv 1902.00038, for any number of inputs.

    ``z_c = sum_r prod_k A_k^{c,r} u_k^c``: each input is cut into chunks ``c``, which meet the same
    chunk of the others; the factor of an absent input is 1. ``h = W [n(z_1); ...; n(z_C)]``, where
    ``n`` takes signed roots and makes each chunk's length 1. One chunk is the tensor of MUTAN
    (arXiv 1705.06676), of rank ``rank``.
    """

    config: BlockConfig

    def __init__(self, config: BlockConfig, inputs: Mapping[str, Dims], output_dim: int) -> None:
        super().__init__(config, inputs, output_dim)
        self.dim, self.auxiliary_weight = config.dim, config.auxiliary_weight
        self.project = Projected(inputs, config.dim)
        names, size = self.project.names, config.dim // config.chunks
        self.weight = nn.ParameterDict(
            {
                name: nn.Parameter(torch.randn(config.chunks, config.rank, size, size) / size**0.5)
                for name in names
            }
        )
        self.own = OwnAnswers(names, config.dim, output_dim, config.auxiliary_weight)
        self.out = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.dim, config.dim))

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        names, chunks = self.project.names, (self.config.chunks, -1)
        vectors = dict(zip(names, self.project(features, present), strict=True))
        factors = [
            torch.where(
                present[name][:, None, None, None],
                torch.einsum("bci,crio->bcro", vectors[name].unflatten(1, chunks), weight),
                1.0,
            )
            for name, weight in self.weight.items()
        ]
        found = torch.stack(factors).float().prod(dim=0).sum(dim=2)  # [B, chunks, size]
        found = found / (found.abs() + 1e-6).sqrt()  # a root whose slope at 0 is finite
        normed = functional.normalize(found, dim=2).flatten(1)
        return Fused(pooled=self.out(normed), per_input=self.own(vectors))


class DeepSet(FusionHead):
    """Deep sets, arXiv 1703.06114: ``h = rho(pool_k phi_k(u_k))`` over what is there."""

    def __init__(self, config: DeepSetConfig, inputs: Mapping[str, Dims], output_dim: int) -> None:
        super().__init__(config, inputs, output_dim)
        self.dim, self.auxiliary_weight = config.dim, config.auxiliary_weight
        self.project = Projected(inputs, config.dim)
        names = self.project.names
        self.phi = nn.ModuleDict({n: mlp(config.dim, config.dim, config.dropout) for n in names})
        self.rho = mlp(config.dim, config.dim, config.dropout)
        self.own = OwnAnswers(names, config.dim, output_dim, config.auxiliary_weight)

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        names = self.project.names
        vectors = dict(zip(names, self.project(features, present), strict=True))
        found = torch.stack([self.phi[name](vectors[name]) for name in names])  # [K, B, dim]
        return Fused(
            pooled=self.rho(self._pooled(found, there_of(names, present)[:, :, None])),
            per_input=self.own(vectors),
        )

    def _pooled(self, found: Tensor, there: Tensor) -> Tensor:
        if self.config.pool == "max":
            highest = found.masked_fill(~there, torch.finfo(found.dtype).min).amax(dim=0)
            return torch.where(there.any(dim=0), highest, 0.0)
        total = torch.where(there, found, 0.0).sum(dim=0)
        return total / there.sum(dim=0).clamp_min(1) if self.config.pool == "mean" else total


def _one_and(vector: Tensor) -> Tensor:
    """``[1; u]`` [B, dim + 1]."""
    return nn.functional.pad(vector, (1, 0), value=1.0)


def _largest(budget: int, inputs: int) -> int:
    """The largest width whose tensor is within the budget."""
    width = 1
    while (width + 2) ** inputs <= budget:
        width += 1
    return width
