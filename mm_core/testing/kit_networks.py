"""Networks over columns of points (``kit_points.py``)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from mm_core.api import Config
from mm_core.api.nn import Backbone, BackboneContext, Features
from mm_core.testing.kit_points import WIDTH


class Layer(Backbone):
    """``pooled`` [B, 16] and ``tokens`` [B, 2, 16]."""

    def __init__(self, config: Config, context: BackboneContext) -> None:
        super().__init__(config, context)
        self.layer = nn.Linear(WIDTH, 16)

    @property
    def dims(self) -> dict[str, int]:
        return {"pooled": 16, "tokens": 16}

    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        (arrays,) = inputs.values()
        pooled = self.layer(arrays["points"])
        tokens = pooled[:, None].expand(-1, 2, -1)
        return Features(pooled, tokens, tokens.new_ones(tokens.shape[:2]).bool())


class Mixed(Backbone):
    """``pooled`` [B, 16] and ``tokens`` [B, 4, 16], by a convolution, norms, dropout and layers."""

    def __init__(self, config: Config, context: BackboneContext) -> None:
        super().__init__(config, context)
        self.first = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.GELU())
        self.middle = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Dropout(0.1), nn.LayerNorm(16))
        self.last = nn.Linear(16, 16)

    @property
    def dims(self) -> dict[str, int]:
        return {"pooled": 16, "tokens": 16}

    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        (arrays,) = inputs.values()
        pictures = arrays["points"].reshape(-1, 1, 4, WIDTH // 4)
        rows = self.first(pictures).mean(dim=3).transpose(1, 2)
        tokens = self.last(self.middle(rows))
        mask = tokens.new_ones(tokens.shape[:2]).bool()
        return Features(tokens.mean(dim=1), tokens, mask)

    def stages(self) -> list[nn.Module]:
        return [self.first, self.middle, self.last]
