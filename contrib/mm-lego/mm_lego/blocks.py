"""LegoBlock: a latent array that reads one input, in the frequencies of its channels.

Complex numbers are pairs of real ones, and the Fourier transform over the few channels is a matrix:
so it trains in any precision and exports like any layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mm_core.api import RecipeError
from mm_core.api.nn import Dims, Features
from mm_lego.configs import LegoConfig

Complex = tuple[Tensor, Tensor]
"""Real and imaginary part, [..., C, D]."""


class Block(nn.Module):
    """Cross-attention from the frequencies of a latent to those of an input (arXiv 2405.19950).

    A step: ``L <- L / |L|`` and ``F = FFT(L)``, both along the channels; ``F_r <- F_r +
    Attn(LN F_r, LN X_r)``; ``F_r <- F_r + FF(LN F_r)``; ``L <- IFFT(F_r + i F_i)``. ``X_r`` is the
    real part of the transform of the tokens of a row, over those that it has; of one vector it is
    that vector. A learned token stands beside them.
    """

    def __init__(self, config: LegoConfig, dims: Dims, name: str) -> None:
        super().__init__()
        if config.reads not in dims:
            raise RecipeError(
                f"the backbone {name!r} gives no {config.reads} features, which this fusion reads",
                plugin="lego",
                value=name,
                remedy="set fusion.reads=pooled, or choose another backbone",
            )
        self.config = config
        drawn = torch.Generator().manual_seed(config.seed)
        start = torch.randn(config.channels, config.dim, generator=drawn)
        self.latent = nn.Parameter(start / math.sqrt(config.channels))
        width = int(dims[config.reads])
        self.read = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, config.dim))
        self.steps = nn.ModuleList(_Step(config) for _ in range(config.steps))

    def tokens(self, features: Features, present: Tensor) -> tuple[Tensor, Tensor]:
        """Frequencies [B, T, D] of what is there, and bool [B, T], which are."""
        given, mask = features.tokens, features.mask
        if self.config.reads == "pooled":
            assert features.pooled is not None
            given, mask = features.pooled[:, None], None
        assert given is not None
        there = present[:, None].expand(given.shape[:2])
        there = there if mask is None else there & mask
        known = self.read(torch.where(there[:, :, None], given, 0.0)).float()
        return frequencies(known, there), there


class _Step(nn.Module):
    def __init__(self, config: LegoConfig) -> None:
        super().__init__()
        dim = config.dim
        self.heads, self.temperature = config.heads, config.temperature
        self.norm_latent, self.norm_input = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.key_value = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        # Beside the input: a softmax over one vector has no choice, and would learn nothing.
        self.rest = nn.Parameter(0.02 * torch.randn(dim))
        self.out = nn.Sequential(nn.Linear(dim, dim), nn.LeakyReLU(0.01))
        self.norm = nn.LayerNorm(dim)
        self.wide, self.narrow = nn.Linear(dim, 8 * dim), nn.Linear(4 * dim, dim)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, latent: Complex, tokens: Tensor, there: Tensor) -> Complex:
        """The latent after one look at the tokens; rows without any keep theirs."""
        real, imaginary = transformed(_unit(latent))
        found = real + self._attend(real, tokens, there)
        gate, value = self.wide(self.norm(found)).chunk(2, dim=-1)
        found = found + self.narrow(self.drop(nn.functional.selu(gate) * value))
        new = transformed((found.float(), imaginary), back=True)
        any_there = there.any(dim=1)[:, None, None]
        return (
            torch.where(any_there, new[0], latent[0]),
            torch.where(any_there, new[1], latent[1]),
        )

    def _attend(self, real: Tensor, tokens: Tensor, there: Tensor) -> Tensor:
        def split(value: Tensor) -> Tensor:
            return value.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        tokens = torch.cat([self.rest.expand(tokens.shape[0], 1, -1), tokens], dim=1)
        there = nn.functional.pad(there, (1, 0), value=True)
        query = split(self.query(self.norm_latent(real)))
        key, value = map(split, self.key_value(self.norm_input(tokens)).chunk(2, dim=-1))
        scores = (query @ key.transpose(2, 3)).float() / math.sqrt(query.shape[-1])
        scores = (scores / self.temperature).masked_fill(~there[:, None, None], -1e4)
        read = scores.softmax(dim=-1).to(value.dtype) @ value
        return self.drop(self.out(read.transpose(1, 2).flatten(2)))  # type: ignore[no-any-return]


def transformed(value: Complex, back: bool = False) -> Complex:
    """The unitary Fourier transform along the channels, or its inverse."""
    real, imaginary = (one.float() for one in value)
    n = real.shape[-2]
    place = torch.arange(n, device=real.device, dtype=torch.float32)
    angle = 2 * math.pi * ((place[:, None] * place[None, :]) % n) / n
    cosine = torch.cos(angle) / math.sqrt(n)
    sine = torch.sin(angle) / math.sqrt(n) * (1 if back else -1)
    with torch.autocast(real.device.type, enabled=False):
        return cosine @ real - sine @ imaginary, sine @ real + cosine @ imaginary


def frequencies(tokens: Tensor, there: Tensor) -> Tensor:
    """Real part of the transform of each row's tokens [B, T, D], over as many as it has."""
    if tokens.shape[1] == 1:
        return tokens
    place = (there.cumsum(dim=1) - 1).clamp_min(0).float()
    count = there.sum(dim=1).clamp_min(1).float()[:, None, None]
    angle = 2 * math.pi * ((place[:, :, None] * place[:, None, :]) % count) / count
    both = there[:, :, None] & there[:, None, :]
    weights = torch.where(both, torch.cos(angle), 0.0) / count.sqrt()
    with torch.autocast(tokens.device.type, enabled=False):
        return weights @ tokens.float()


def _unit(value: Complex) -> Complex:
    """Each width of the latent of length 1 along the channels."""
    real, imaginary = value
    length = (real.square() + imaginary.square()).sum(dim=-2, keepdim=True).clamp_min(1e-12).sqrt()
    return real / length, imaginary / length


def merged(latents: Complex, weights: Tensor, method: str) -> Complex:
    """Latents [K, B, C, D] as one, [B, C, D]: what has no weight is not looked at.

    ``harmonic``: ``|L| = 1 / sum_k w_k / |L_k|``, the phase that of ``sum_k w_k L_k / |L_k|``:
    the circular mean, which does not wrap.

    Args:
        latents: of each input.
        weights: [K, B], that sum to 1 over the inputs that a row has; 0 for the others.
        method: ``harmonic`` or ``mean``.
    """
    share = weights[:, :, None, None]
    real, imaginary = (torch.where(share > 0, one, 1.0) for one in latents)
    if method == "mean":
        return (share * real).sum(dim=0), (share * imaginary).sum(dim=0)
    size = (real.square() + imaginary.square() + 1e-12).sqrt()
    long = 1 / (share / size).sum(dim=0).clamp_min(1e-12)
    mean = (share * real / size).sum(dim=0), (share * imaginary / size).sum(dim=0)
    # Phases that are opposite have no mean: near there it goes to zero, instead of any way.
    length = (mean[0].square() + mean[1].square() + 1e-12).sqrt().clamp_min(1e-2)
    there = weights.sum(dim=0)[:, None, None] > 0
    return (
        torch.where(there, long * mean[0] / length, 0.0),
        torch.where(there, long * mean[1] / length, 0.0),
    )


def spherical_mean(weights: Tensor, given: Tensor, rounds: int = 8) -> Tensor:
    """Answers of several models as one: directions by the mean on the sphere, lengths averaged.

    Of two it is SLERP. Equal ones stay as they are; all weight on one gives that one.

    Args:
        weights: [P, K], each row sums to 1.
        given: [K, N].
        rounds: of the iteration.

    Returns:
        [P, N].
    """
    lengths = given.square().sum(dim=1).clamp_min(1e-20).sqrt()
    units = given / lengths[:, None]
    mean = _normal(weights @ units)
    for _ in range(rounds):
        cosine = mean @ units.T  # [P, K]
        away = units[None] - cosine[:, :, None] * mean[:, None]  # [P, K, N]
        sine = away.square().sum(dim=2).clamp_min(1e-20).sqrt()
        angle = torch.atan2(sine, cosine)
        pull = torch.where(angle > 1e-4, angle / sine, 1.0)  # near each other a straight line does
        step = ((weights * pull)[:, :, None] * away).sum(dim=1)
        far = step.square().sum(dim=1, keepdim=True).clamp_min(1e-20).sqrt()
        mean = _normal(torch.cos(far) * mean + torch.sin(far) * step / far)
    return mean * (weights @ lengths)[:, None]


def _normal(value: Tensor) -> Tensor:
    return value / value.square().sum(dim=1, keepdim=True).clamp_min(1e-20).sqrt()


def start_of(blocks: Mapping[str, Block], there: Tensor) -> Complex:
    """The mean of the latents of the blocks whose input a row has, [B, C, D]; of all, where none.

    Args:
        blocks: by input.
        there: bool [K, B], in their order.
    """
    share = (there | ~there.any(dim=0)).float()
    share = share / share.sum(dim=0)
    latents = torch.stack([block.latent for block in blocks.values()]).float()
    real = torch.einsum("kb,kcd->bcd", share, latents)
    return real, torch.zeros_like(real)
