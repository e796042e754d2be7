"""LegoMerge and LegoFuse: blocks of several inputs, as fusion heads."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from mm_core.api import RecipeError
from mm_core.api.nn import Dims, Features, Fused, FusionHead
from mm_lego.blocks import Block, Complex, merged, spherical_mean, start_of, transformed
from mm_lego.configs import FuseConfig, LegoConfig, MergeConfig

_MOST = 6


class _Blocks(FusionHead):
    """A block for each input, in the order of their names."""

    config: Any

    def __init__(self, config: LegoConfig, inputs: Mapping[str, Dims], output_dim: int) -> None:
        super().__init__(config, inputs, output_dim)
        self.blocks = nn.ModuleDict(
            {name: Block(config, inputs[name], name) for name in sorted(inputs)}
        )

    @property
    def names(self) -> list[str]:
        """Of the inputs, sorted."""
        return list(self.blocks)

    def _of(self, name: str) -> Block:
        return cast("Block", self.blocks[name])

    def _there(self, present: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([present[name] for name in self.names])


class LegoMerge(_Blocks):
    """LegoMerge, arXiv 2405.19950, for any number of inputs; of one input it is LegoBlock.

    Each block makes a latent of its input; latents are merged by magnitude and phase
    (:func:`mm_lego.blocks.merged`), answers by direction and length
    (:func:`mm_lego.blocks.spherical_mean`), both over the inputs that a row has: a row that has
    one alone is answered as the model of that one answers.
    """

    def __init__(self, config: MergeConfig, inputs: Mapping[str, Dims], output_dim: int) -> None:
        super().__init__(config, inputs, output_dim)
        if len(inputs) > _MOST:
            raise RecipeError(
                f"lego:merge has an answer for each pattern of inputs: {len(inputs)} are too many",
                plugin="lego:merge",
                value=len(inputs),
                remedy=f"merge {_MOST} inputs at most",
            )
        strange = sorted(set(config.shares) - set(inputs))
        if strange:
            raise RecipeError(
                f"fusion.shares names {strange[0]!r}, which is no backbone of this model",
                plugin="lego:merge",
                value=strange[0],
                remedy=f"one of {', '.join(self.names)}",
            )
        self.answers = nn.ModuleDict({name: _answer(config, output_dim) for name in self.names})
        shares = [config.shares.get(name, 1.0) for name in self.names]
        patterns = torch.tensor(list(itertools.product((0.0, 1.0), repeat=len(shares))))
        patterns[0] = 1.0  # nothing is there: all answers count, of a latent of zeros
        patterns = patterns * torch.tensor(shares)
        self.register_buffer(
            "patterns", patterns / patterns.sum(dim=1, keepdim=True), persistent=False
        )
        places = torch.tensor([2**place for place in reversed(range(len(shares)))])
        self.register_buffer("places", places, persistent=False)

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        there = self._there(present)
        code = (there.long() * self.places[:, None]).sum(dim=0)  # type: ignore[index]
        weights = self.patterns[code].T * there  # type: ignore[index]
        latents = [self._latent(name, features[name], present[name]) for name in self.names]
        real, imaginary = (torch.stack(part) for part in zip(*latents, strict=True))
        latent = merged((real, imaginary), weights, self.config.method)
        weight, bias = self._answer_of_patterns()
        vector = _vector(latent)
        logits = torch.einsum("bd,bod->bo", vector, weight[code]) + bias[code]
        return Fused(logits=logits)

    def _latent(self, name: str, features: Features, present: Tensor) -> Complex:
        """Frequencies [B, C, D]."""
        block = self._of(name)
        tokens, there = block.tokens(features, present)
        latent = start_of({name: block}, present[None])
        for step in block.steps:
            latent = step(latent, tokens, there)
        return transformed(latent)

    def _answer_of_patterns(self) -> tuple[Tensor, Tensor]:
        """Weights [P, output_dim, D] and biases [P, output_dim] for each pattern of inputs."""
        layers = [cast("nn.Linear", self.answers[name]) for name in self.names]
        flat = torch.stack([layer.weight.flatten() for layer in layers]).float()
        patterns = cast("Tensor", self.patterns)
        weight = spherical_mean(patterns, flat).unflatten(1, (self.output_dim, -1))
        return weight, patterns @ torch.stack([layer.bias for layer in layers]).float()


class LegoFuse(_Blocks):
    """LegoFuse, arXiv 2405.19950: one latent reads the inputs by the blocks of each.

    ``stack``: all steps of a block, then those of the next; ``weave``: one step of each in turn.
    A row that lacks an input passes its block by.
    """

    config: FuseConfig

    def __init__(self, config: FuseConfig, inputs: Mapping[str, Dims], output_dim: int) -> None:
        super().__init__(config, inputs, output_dim)
        self.answer = _answer(config, output_dim)

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        blocks = {name: self._of(name) for name in self.names}
        read = {n: block.tokens(features[n], present[n]) for n, block in blocks.items()}
        latent = start_of(blocks, self._there(present))
        for name, place in self._turns():
            latent = blocks[name].steps[place](latent, *read[name])
        return Fused(logits=self.answer(_vector(transformed(latent))))

    def _turns(self) -> list[tuple[str, int]]:
        steps = range(self.config.steps)
        if self.config.order == "stack":
            return [(name, place) for name in self.names for place in steps]
        return [(name, place) for place in steps for name in self.names]


def _answer(config: LegoConfig, output_dim: int) -> nn.Linear:
    """A linear layer that starts from the same weights in all models of these settings."""
    layer = nn.Linear(config.dim, output_dim)
    drawn = torch.Generator().manual_seed(config.seed)
    start = torch.randn(output_dim, config.dim, generator=drawn) / math.sqrt(config.dim)
    with torch.no_grad():
        layer.weight.copy_(start)
        layer.bias.zero_()
    return layer


def _vector(latent: Complex) -> Tensor:
    """[B, D]: the mean over the channels of the real part, normalised."""
    vector = latent[0].mean(dim=1)
    return functional.layer_norm(vector, vector.shape[-1:])
