"""Low-rank updates with a convolution in their middle (Conv-LoRA, arXiv 2401.17868). Heavy: torch.

A transformer of images has no sense of neighbours; in the few channels of an update a convolution
costs little. Experts look at several scales, and for each window of the picture one is chosen.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SCALES = (1, 2, 3, 4)
"""By which experts enlarge what they look at."""


class ConvLoRA(nn.Module):
    """``W x + B (A x + g E(A x))``: W frozen, B zero at first, E the expert of the largest gate g.

    Args:
        base: a linear layer over maps [N, H, W, C].
        rank: channels of the update.
    """

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)
        nn.init.zeros_(self.up.weight)
        self.gate = nn.Linear(rank, len(SCALES))
        self.experts = nn.ModuleList(nn.Conv2d(rank, rank, 3, padding=1) for _ in SCALES)

    def forward(self, maps: Tensor) -> Tensor:
        """[N, H, W, out] of [N, H, W, C]."""
        low = self.down(maps)
        grid = low.permute(0, 3, 1, 2)
        gates = self.gate(grid.mean(dim=(2, 3))).softmax(dim=1)
        weight, chosen = gates.max(dim=1)
        seen = torch.zeros_like(grid)
        for place, (scale, expert) in enumerate(zip(SCALES, self.experts, strict=True)):
            rows = (chosen == place).nonzero()[:, 0]
            if len(rows):
                found = _at_scale(expert, grid[rows], scale) * weight[rows, None, None, None]
                seen = seen.index_copy(0, rows, found.to(seen.dtype))
        return self.base(maps) + self.up(low + seen.permute(0, 2, 3, 1))


def _at_scale(expert: nn.Module, grid: Tensor, scale: int) -> Tensor:
    if scale == 1:
        found: Tensor = expert(grid)
        return found
    size = grid.shape[-2:]
    large = functional.interpolate(grid, scale_factor=float(scale), mode="bilinear")
    return functional.interpolate(expert(large), size=size, mode="bilinear")


def applied(encoder: nn.Module, rank: int) -> list[nn.Module]:
    """Put it around each ``qkv`` of an encoder, or around the three layers that SAM 3 has for it,
    and freeze the rest; in place.

    Returns:
        The new modules, base layers apart.
    """
    encoder.requires_grad_(False)
    new: list[nn.Module] = []
    for module in list(encoder.modules()):
        for name in ("qkv", "q_proj", "k_proj", "v_proj"):
            base = getattr(module, name, None)
            if type(base) is nn.Linear:
                update = ConvLoRA(base, rank)
                setattr(module, name, update)
                new += [update.down, update.up, update.gate, update.experts]
    return new
