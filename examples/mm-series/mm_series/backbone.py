"""``resnet``: residual 1-D convolutions over series (Wang et al. 2017, arXiv 1611.06455)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mm_core.api import RecipeError
from mm_core.api.nn import Backbone, BackboneContext, Features
from torch import Tensor, nn

from mm_series.configs import SeriesResNetConfig

KERNELS = (7, 5, 3)
"""Points that the convolutions of a block look at; 8, 5, 3 in the paper."""


class ChannelNorm(nn.LayerNorm):
    """Normalises the channels of each point of [B, C, T]: rows and padding do not meet."""

    def forward(self, hidden: Tensor) -> Tensor:
        """[B, C, T] -> [B, C, T]."""
        return super().forward(hidden.transpose(1, 2)).transpose(1, 2)


class Block(nn.Module):
    """Three convolutions and a way around them; nothing passes ``mask``."""

    def __init__(self, n_in: int, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        inputs = (n_in, width, width)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(n, width, size, padding=dilation * (size // 2), dilation=dilation)
            for n, size in zip(inputs, KERNELS, strict=True)
        )
        self.norms = nn.ModuleList(ChannelNorm(width) for _ in KERNELS)
        self.around = nn.Identity() if n_in == width else nn.Conv1d(n_in, width, 1)
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """``values`` [B, n_in, T], ``mask`` bool [B, 1, T] -> [B, width, T], zeros outside."""
        hidden = values
        for place, (convolve, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            hidden = hidden if place == 0 else torch.relu(hidden)
            hidden = norm(convolve(hidden.masked_fill(~mask, 0.0)))
        hidden = self.dropout(torch.relu(hidden + self.around(values)))
        outside_zero: Tensor = hidden.masked_fill(~mask, 0.0)
        return outside_zero


class SeriesResNet(Backbone):
    """Gives ``tokens`` [B, T, width], one a point, with their mask, and ``pooled`` [B, width]."""

    config: SeriesResNetConfig

    def __init__(self, config: SeriesResNetConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        n_in = 2 * _n_series(context)
        self.blocks = nn.ModuleList(
            Block(
                config.width if place else n_in,
                config.width,
                config.dilation**place,
                config.dropout,
            )
            for place in range(config.n_blocks)
        )

    @property
    def dims(self) -> Mapping[str, int]:
        """Widths of ``pooled`` and ``tokens``."""
        return {"pooled": self.config.width, "tokens": self.config.width}

    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        """``values`` [B, F, T], ``known`` and ``inside`` bool [B, F, T] to features."""
        (arrays,) = inputs.values()
        mask = arrays["inside"].any(dim=1)  # [B, T]
        hidden = torch.cat([arrays["values"], arrays["known"].to(arrays["values"].dtype)], dim=1)
        for block in self.blocks:
            hidden = block(hidden, mask[:, None])
        tokens = hidden.transpose(1, 2)
        return Features(pooled=self._pooled(tokens, mask), tokens=tokens, mask=mask)

    def stages(self) -> Sequence[nn.Module]:
        """The blocks, from input to output."""
        return list(self.blocks)

    def _pooled(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """[B, T, width] -> [B, width]; tokens outside are zeros, and none is negative."""
        if self.config.pooling == "max":
            return tokens.amax(dim=1)
        return tokens.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)


def _n_series(context: BackboneContext) -> int:
    infos = list(context.inputs.values())
    if len(infos) != 1 or "n_series" not in infos[0]:
        raise RecipeError(
            "it reads one input of series",
            plugin="series:resnet",
            value=list(context.inputs),
            remedy="give it one input, whose processor is series:points",
        )
    return int(infos[0]["n_series"])
