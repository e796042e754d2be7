"""A one-file plugin of the kit: columns of points, for fits of components that bring no input.

Two modalities, so that a fusion head has something to fuse. A cell is a text ``"left 0.1 0.2"`` or
``"right 0.3 0.4"``; a row's point lies near its label's, so that there is something to learn.
Its networks stand in a module of their own: every process that knows this plugin imports this file,
and few need torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

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
            target="mm_core.testing.kit_networks:Layer",
            modalities=SIDES,
            provides=("pooled", "tokens"),
        ),
        BackboneSpec(
            name="mixed",
            summary="Layers of many types, in three stages.",
            target="mm_core.testing.kit_networks:Mixed",
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
