"""Points "1.5,2.5" and marks "#3": tasks with roles, choices of components, options, methods."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field as Setting
from torch import nn

from mm_core.api import (
    BackboneSpec,
    Config,
    Defaults,
    Detection,
    Encoded,
    InputBatch,
    ModalitySpec,
    PluginInfo,
    PresetSpec,
    Processor,
    ProcessorSpec,
    RoleSpec,
    State,
    TaskSpec,
    hookimpl,
)
from mm_core.api.nn import Backbone, Features
from mm_core.builtin.configs import BinaryConfig
from mm_core.builtin.tasks.binary import Binary

BINARY = {
    "target": "mm_core.builtin.tasks.binary:Binary",
    "config": "mm_core.builtin.configs:BinaryConfig",
    "metrics": ("accuracy",),
    "default_metric": "accuracy",
    "losses": ("core:cross_entropy",),
    "default_loss": "core:cross_entropy",
}


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Sides, for tests.")


@hookimpl
def mm_modalities():
    return [
        ModalitySpec(
            name="points",
            summary="Points 'x,y'.",
            detector="sides:detect_points",
            kinds=("point",),
            processor="sides:split",
            backbone="sides:linear",
        ),
        ModalitySpec(
            name="marks",
            summary="Marks '#3'.",
            detector="sides:detect_marks",
            kinds=("mark",),
            processor="sides:mark",
            backbone="sides:linear",
        ),
    ]


@hookimpl
def mm_processors():
    both = ("points", "marks")
    return [
        ProcessorSpec(name=name, summary="Numbers.", target="sides:Numbers", modalities=both)
        for name in ("split", "mark", "other")
    ]


@hookimpl
def mm_backbones():
    both = ("points", "marks")
    common = {"summary": "One layer.", "target": "sides:Layer", "modalities": both}
    return [
        BackboneSpec(name="linear", config="sides:LayerConfig", **common),
        BackboneSpec(name="wide", config="sides:LayerConfig", **common),
        BackboneSpec(name="grid", provides=("spatial",), **common),
        BackboneSpec(
            name="joint", processor={"points": "sides:split", "marks": "sides:other"}, **common
        ),
    ]


@hookimpl
def mm_tasks():
    joint = Defaults(backbone="sides:joint")
    return [
        TaskSpec(
            name="pair",
            summary="Whether two sides match.",
            roles=(
                RoleSpec(name="query", summary="one side", several=True),
                RoleSpec(name="response", summary="the other", several=True, like="query"),
                RoleSpec(name="hint", summary="a mark", modalities=("marks",), required=False),
            ),
            **{**BINARY, "target": "sides:Pair", "config": "sides:PairConfig"},
        ),
        TaskSpec(
            name="shown",
            summary="One point and what goes with it.",
            roles=(RoleSpec(name="place", summary="the point", modalities=("points",)),),
            **BINARY,
        ),
        TaskSpec(
            name="together",
            summary="Both in one backbone.",
            defaults={"points": joint, "sides:marks": joint},
            **BINARY,
        ),
        TaskSpec(
            name="processed",
            summary="By a processor of its own.",
            defaults={"points": Defaults(processor="sides:other")},
            **BINARY,
        ),
        TaskSpec(name="spatial", summary="Maps.", needs=("spatial",), fusion=None, **BINARY),
    ]


@hookimpl
def mm_presets():
    return [
        PresetSpec(
            name="wide",
            summary="Wider.",
            components=("sides:together", "sides:shown"),
            values={
                "training.epochs": 2,
                "backbones.points.id": "sides:wide",
                "processors.points.id": "sides:other",
                "fusion.id": "core:mean",
            },
        ),
        PresetSpec(
            name="wrong",
            summary="Sets what no preset of a task may.",
            components=("sides:shown",),
            values={"backbones.points.width": 3},
        ),
    ]


def detect_points(sample):
    if sample.dtype == "string" and all(value.count(",") == 1 for value in sample.values):
        return Detection("point", 1.0, "every value is 'x,y'")
    return None


def detect_marks(sample):
    if sample.dtype == "string" and all(value.startswith("#") for value in sample.values):
        return Detection("mark", 1.0, "every value is '#n'")
    return None


class Numbers(Processor):
    """All numbers of all columns, float32 [N, 2 x columns]."""

    def fit(self, table):
        pass

    def encode(self, table):
        frame = table.frame[[field.column for field in self.fields]]
        present = frame.notna().any(axis=1).to_numpy()
        rows = [[pair for cell in row for pair in _pair(cell)] for row in frame.to_numpy()]
        return Encoded({"numbers": np.array(rows, dtype=np.float32)}, present)

    def batch(self, encoded, rows, augment=None, targets=None):
        return InputBatch({"numbers": encoded.arrays["numbers"][rows]}, encoded.present[rows])

    @property
    def info(self):
        return {"width": 2 * len(self.fields)}

    def state(self):
        return State()

    @classmethod
    def from_state(cls, config, fields, state):
        return cls(config, fields)


def _pair(cell):
    if not isinstance(cell, str):
        return 0.0, 0.0
    numbers = [float(one) for one in cell.lstrip("#").split(",")]
    return numbers[0], numbers[-1]


class LayerConfig(Config):
    width: int = Setting(default=8, description="features")


class Layer(Backbone):
    """One layer over the numbers of all its inputs."""

    def __init__(self, config, context):
        super().__init__(config, context)
        self.width = getattr(config, "width", 8)
        self.layer = nn.Linear(sum(info["width"] for info in context.inputs.values()), self.width)

    @property
    def dims(self):
        return {"pooled": self.width, "spatial": self.width}

    def forward(self, inputs):
        numbers = torch.cat([arrays["numbers"] for arrays in inputs.values()], dim=1)
        return Features(pooled=torch.tanh(self.layer(numbers)))


class PairConfig(BinaryConfig):
    match_label: int | str | None = Setting(default=None, description="label of pairs that match")


class Pair(Binary):
    pass
