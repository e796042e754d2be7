"""Heads of attention, over one vector of each input or over all their tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from mm_core.api.nn import Dims, Features, Fused, FusionHead
from mm_fusion.configs import (
    BottleneckConfig,
    ClsTransformerConfig,
    CrossAttentionConfig,
    PerceiverConfig,
    TransformerConfig,
)
from mm_fusion.inputs import OwnAnswers, Projected, ProjectedTokens, masked_mean, mlp, there_of


class Block(nn.Module):
    """A pre-norm layer: attention of queries to keys, then two linear layers, both residual."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        dim = config.dim
        self.norm_queries, self.norm_keys = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attend = nn.MultiheadAttention(dim, config.heads, config.dropout, batch_first=True)
        self.feed = nn.Sequential(
            nn.LayerNorm(dim),
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(4 * dim, dim),
        )

    def forward(self, queries: Tensor, keys: Tensor, there: Tensor) -> Tensor:
        """[B, Q, D] and [B, T, D], of which ``there`` bool [B, T] are read, at least one a row."""
        read = self.norm_keys(keys)
        found, _ = self.attend(
            self.norm_queries(queries), read, read, key_padding_mask=~there, need_weights=False
        )
        queries = queries + found
        fed: Tensor = self.feed(queries)
        return queries + fed


class ClsTransformer(FusionHead):
    """A transformer over one token of each input and a learned one, whose last state is ``h``.

    AutoMM's fusion transformer (arXiv 2404.16233), after FT-Transformer (arXiv 2106.11959).
    """

    def __init__(
        self, config: ClsTransformerConfig, inputs: Mapping[str, Dims], output_dim: int
    ) -> None:
        super().__init__(config, inputs, output_dim)
        self.dim, self.auxiliary_weight = config.dim, config.auxiliary_weight
        self.project = Projected(inputs, config.dim)
        names = self.project.names
        self.cls = nn.Parameter(0.02 * torch.randn(config.dim))
        self.of = nn.Parameter(0.02 * torch.randn(len(names), config.dim))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.dim)
        self.own = OwnAnswers(names, config.dim, output_dim, config.auxiliary_weight)

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        names = self.project.names
        vectors = self.project(features, present)  # [K, B, dim]
        cls = self.cls.expand(1, vectors.shape[1], -1)
        tokens = torch.cat([cls, vectors + self.of[:, None]]).transpose(0, 1)
        there = nn.functional.pad(there_of(names, present).T, (1, 0), value=True)
        *between, last = self.blocks
        for block in between:
            tokens = block(tokens, tokens, there)
        return Fused(
            pooled=self.norm(last(tokens[:, :1], tokens, there)[:, 0]),
            per_input=self.own(dict(zip(names, vectors, strict=True))),
        )


class CrossAttention(FusionHead):
    """Each input's tokens read those of all others (MulT, arXiv 1906.00295); ``h`` is an MLP of
    the means. A learned token stands among what is read, for rows that have nothing else.
    """

    def __init__(
        self, config: CrossAttentionConfig, inputs: Mapping[str, Dims], output_dim: int
    ) -> None:
        super().__init__(config, inputs, output_dim)
        self.dim, self.auxiliary_weight = config.dim, config.auxiliary_weight
        self.project = ProjectedTokens(inputs, config.dim)
        names = self.project.names
        self.nothing = nn.Parameter(0.02 * torch.randn(config.dim))
        self.blocks = nn.ModuleDict(
            {name: nn.ModuleList(Block(config) for _ in range(config.layers)) for name in names}
        )
        self.own = OwnAnswers(names, config.dim, output_dim, config.auxiliary_weight)
        self.mlp = mlp(len(names) * config.dim, config.dim, config.dropout)

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        tokens = self.project(features, present)
        vectors = {}
        for name, blocks in self.blocks.items():
            own, own_there = tokens[name]
            others = [tokens[other] for other in tokens if other != name]
            keys, there = _after(self.nothing, others, own.shape[0])
            for block in cast("nn.ModuleList", blocks):
                own = block(own, keys, there)
            vectors[name] = masked_mean(own, own_there)
        pooled = self.mlp(torch.cat([vectors[name] for name in self.project.names], dim=1))
        return Fused(pooled=pooled, per_input=self.own(vectors))


class Bottleneck(FusionHead):
    """Bottleneck transformer, arXiv 2107.00135: inputs speak through a few shared tokens.

    In each layer every input's tokens and the bottleneck's attend to each other; the new bottleneck
    is the mean of what the inputs that are there made of it. ``h`` is the mean of its tokens and of
    the means of the inputs.
    """

    def __init__(
        self, config: BottleneckConfig, inputs: Mapping[str, Dims], output_dim: int
    ) -> None:
        super().__init__(config, inputs, output_dim)
        self.dim, self.auxiliary_weight = config.dim, config.auxiliary_weight
        self.project = ProjectedTokens(inputs, config.dim)
        names = self.project.names
        self.bottleneck = nn.Parameter(0.02 * torch.randn(config.bottleneck, config.dim))
        self.layers = nn.ModuleList(
            nn.ModuleDict({name: Block(config) for name in names}) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.own = OwnAnswers(names, config.dim, output_dim, config.auxiliary_weight)

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        names, n = self.project.names, next(iter(present.values())).shape[0]
        tokens = self.project(features, present)
        shared = self.bottleneck.expand(n, -1, -1)
        there = there_of(names, present)
        for layer in self.layers:
            made = []
            for name in names:
                own, own_there = tokens[name]
                together = torch.cat([shared, own], dim=1)
                read = nn.functional.pad(own_there, (shared.shape[1], 0), value=True)
                together = layer[name](together, together, read)  # type: ignore[index]
                made.append(together[:, : shared.shape[1]])
                tokens[name] = (together[:, shared.shape[1] :], own_there)
            shared = _mean_of_present(torch.stack(made), there[:, :, None, None], shared)
        vectors = {name: masked_mean(*tokens[name]) for name in names}
        stacked = torch.stack([vectors[name] for name in names])
        fused = shared.mean(dim=1) + _mean_of_present(stacked, there[:, :, None])
        return Fused(pooled=self.norm(fused), per_input=self.own(vectors))


class Perceiver(FusionHead):
    """Learned queries read all tokens and each other (arXiv 2107.14795, 2204.14198).

    ``l <- l + MHA(LN l, [LN X; LN l])``, ``l <- l + FF(LN l)``; ``h`` is the mean of ``l``.
    """

    def __init__(
        self, config: PerceiverConfig, inputs: Mapping[str, Dims], output_dim: int
    ) -> None:
        super().__init__(config, inputs, output_dim)
        self.dim, self.auxiliary_weight = config.dim, config.auxiliary_weight
        self.project = ProjectedTokens(inputs, config.dim)
        names = self.project.names
        self.latents = nn.Parameter(0.02 * torch.randn(config.latents, config.dim))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.dim)
        self.own = OwnAnswers(names, config.dim, output_dim, config.auxiliary_weight)

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        tokens = self.project(features, present)
        given = [tokens[name] for name in self.project.names]
        latents = self.latents.expand(given[0][0].shape[0], -1, -1)
        for block in self.blocks:
            keys = torch.cat([latents, *(one for one, _ in given)], dim=1)
            there = torch.cat([one for _, one in given], dim=1)
            there = nn.functional.pad(there, (latents.shape[1], 0), value=True)
            latents = block(latents, keys, there)
        vectors = {name: masked_mean(*tokens[name]) for name in self.project.names}
        return Fused(pooled=self.norm(latents.mean(dim=1)), per_input=self.own(vectors))


def _after(first: Tensor, given: list[tuple[Tensor, Tensor]], n: int) -> tuple[Tensor, Tensor]:
    """A learned token before those of several inputs, and which are there: the first always."""
    start = first.expand(n, 1, -1)
    keys = torch.cat([start, *(tokens for tokens, _ in given)], dim=1)
    always = torch.ones(n, 1, dtype=torch.bool, device=first.device)
    return keys, torch.cat([always, *(there for _, there in given)], dim=1)


def _mean_of_present(values: Tensor, there: Tensor, otherwise: Tensor | None = None) -> Tensor:
    """Mean over the first axis of what is there; ``otherwise``, or zeros, where nothing is."""
    mean = torch.where(there, values, 0.0).sum(dim=0) / there.sum(dim=0).clamp_min(1)
    return mean if otherwise is None else torch.where(there.any(dim=0), mean, otherwise)
