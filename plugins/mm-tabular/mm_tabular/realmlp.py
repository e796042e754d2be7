"""``tabular:realmlp``: an MLP with the defaults of RealMLP (arXiv 2407.04491)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mm_core.api.nn import Backbone, BackboneContext, Features
from mm_tabular.configs import RealMLPConfig
from mm_tabular.embeddings import JoinedEmbedding, TableInput

FASTER = 10.0
"""How much faster weights of layers learn than embeddings, biases and slopes: the paper's 1 / 0.1.

All have the same rate, as the optimiser knows no other for parts of a new backbone. Adam's steps
are as large whatever the gradient's size is, so that ``FASTER * w`` learns that much faster.
"""
FEATURES = 6.0
"""How much faster again the factors of features learn."""


class RealMLP(Backbone):
    """Embeddings, a factor for each entry of them, and layers in the tangent parametrisation.

    Gives ``pooled`` [B, width], divided by the root of the width: the head learns at the rate of
    the layers.
    """

    config: RealMLPConfig

    def __init__(self, config: RealMLPConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        self.table = TableInput.of(context, "tabular:realmlp")
        self.embedding = JoinedEmbedding(config, self.table)
        self.factors = _Factors(self.embedding.dim)
        mish = config.activation == "mish" or (
            config.activation == "auto" and not context.task.get("classes")
        )
        widths = [self.embedding.dim, *[config.width] * config.n_blocks]
        self.blocks = nn.ModuleList(
            nn.Sequential(_Layer(a, b), _Bend(b, mish=mish), nn.Dropout(config.dropout))
            for a, b in pairwise(widths)
        )

    @property
    def dims(self) -> Mapping[str, int]:
        """Width of ``pooled``."""
        return {"pooled": self.config.width}

    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        """One vector for each row."""
        hidden = self.factors(self.embedding(*self.table.arrays(inputs)))
        for block in self.blocks:
            hidden = block(hidden)
        return Features(pooled=hidden * (FASTER / math.sqrt(self.config.width)))

    def stages(self) -> Sequence[nn.Module]:
        """Embeddings, the factors, the layers."""
        return [self.embedding, self.factors, *self.blocks]


class _Factors(nn.Module):
    """Which features count: a factor for each entry, 1 at the beginning."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.full((width,), 1 / (FASTER * FEATURES)))

    def forward(self, values: Tensor) -> Tensor:
        return values * (FASTER * FEATURES * self.factor)


class _Layer(nn.Module):
    """``x W / sqrt(width of x) + b``, all entries normal with deviation 1 at the beginning."""

    def __init__(self, narrow: int, wide: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(wide, narrow) / FASTER)
        self.bias = nn.Parameter(torch.randn(wide))
        self.scale = FASTER / math.sqrt(narrow)

    def forward(self, values: Tensor) -> Tensor:
        return F.linear(values * self.scale, self.weight, self.bias)


class _Bend(nn.Module):
    """SELU or Mish, and how much of it each unit has: all of it at the beginning."""

    def __init__(self, width: int, *, mish: bool) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.ones(width))
        self.mish = mish

    def forward(self, values: Tensor) -> Tensor:
        bent = F.mish(values) if self.mish else F.selu(values)
        return values + (bent - values) * self.share
