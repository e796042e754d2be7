"""A one-file plugin of the kit: columns of points, for fits of components that bring no input.

Two modalities, so that a fusion head has something to fuse. A cell is a text ``"left 0.1 0.2"`` or
``"right 0.3 0.4"``; a row's point lies near its label's, so that there is something to learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from torch import Tensor, nn

from mm_core.api import (
    BackboneSpec,
    ColumnSample,
    Config,
    Detection,
    Encoded,
    Field,
    InputBatch,
    ModalitySpec,
    PluginInfo,
    Processor,
    ProcessorSpec,
    State,
    Table,
    hookimpl,
)
from mm_core.api.nn import Backbone, BackboneContext, Features

WIDTH = 32
"""Numbers in a cell."""

SIDES = ("left", "right")


@hookimpl
def mm_plugin_info() -> PluginInfo:
    return PluginInfo(api=(2, 0), summary="Points for the conformance kit.")


@hookimpl
def mm_modalities() -> list[ModalitySpec]:
    return [
        ModalitySpec(
            name=side,
            summary="Points.",
            detector=f"kit_points:detect_{side}",
            kinds=("point",),
            processor="kit_points:split",
            backbone="kit_points:layer",
        )
        for side in SIDES
    ]


@hookimpl
def mm_processors() -> list[ProcessorSpec]:
    return [
        ProcessorSpec(name="split", summary="Numbers.", target="kit_points:Split", modalities=SIDES)
    ]


@hookimpl
def mm_backbones() -> list[BackboneSpec]:
    return [
        BackboneSpec(
            name="layer",
            summary="One layer.",
            target="kit_points:Layer",
            modalities=SIDES,
            provides=("pooled", "tokens"),
        ),
        BackboneSpec(
            name="mixed",
            summary="Layers of many types, in three stages.",
            target="kit_points:Mixed",
            modalities=SIDES,
            provides=("pooled", "tokens"),
        ),
    ]


def detect_left(sample: ColumnSample) -> Detection | None:
    """Whether every cell is a point of the left."""
    return _detect(sample, "left")


def detect_right(sample: ColumnSample) -> Detection | None:
    """Whether every cell is a point of the right."""
    return _detect(sample, "right")


def _detect(sample: ColumnSample, side: str) -> Detection | None:
    if all(str(value).startswith(f"{side} ") for value in sample.values):
        return Detection("point", 1.0, f"every value starts with {side!r}")
    return None


class Split(Processor):
    """``points`` float32 [N, WIDTH]."""

    def fit(self, table: Table) -> None:
        pass

    def encode(self, table: Table) -> Encoded:
        cells = table.frame[self.fields[0].column]
        present = cells.notna().to_numpy()
        points = np.zeros((len(table), WIDTH), dtype=np.float32)
        if present.any():
            points[present] = [cell.split()[1:] for cell in cells[present]]
        return Encoded({"points": points}, present)

    def batch(
        self,
        encoded: Encoded,
        rows: np.ndarray,
        augment: np.random.Generator | None = None,
        targets: dict[str, Any] | None = None,
    ) -> InputBatch:
        return InputBatch({"points": encoded.arrays["points"][rows]}, encoded.present[rows])

    def state(self) -> State:
        return State()

    @classmethod
    def from_state(cls, config: Config, fields: Sequence[Field], state: State) -> Self:
        return cls(config, fields)


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
