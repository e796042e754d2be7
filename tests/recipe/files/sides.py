"""Points "1.5,2.5" and marks "#3": tasks with roles, choices of components, options, methods."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from pydantic import Field as Setting
from torch import nn

from mm_core.api import (
    BackboneSpec,
    Config,
    Decoded,
    Defaults,
    Detection,
    Encoded,
    InputBatch,
    MethodSpec,
    ModalitySpec,
    PluginInfo,
    PresetSpec,
    Processor,
    ProcessorSpec,
    RoleSpec,
    State,
    Task,
    TaskSpec,
    hookimpl,
)
from mm_core.api.nn import Backbone, Features, Topology
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
        ProcessorSpec(
            name=name,
            summary="Numbers.",
            target="sides:Numbers",
            config="sides:NumbersConfig",
            modalities=both,
        )
        for name in ("split", "mark", "other")
    ]


@hookimpl
def mm_backbones():
    both = ("points", "marks")
    common = {"summary": "One layer.", "target": "sides:Layer", "modalities": both}
    return [
        BackboneSpec(name="linear", config="sides:LayerConfig", **common),
        BackboneSpec(name="wide", config="sides:LayerConfig", **common),
        BackboneSpec(name="bare", **{**common, "target": "sides:Bare"}),
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
            defaults={"points": Defaults(processor="sides:other", settings={"places": 2})},
            **BINARY,
        ),
        TaskSpec(
            name="near",
            summary="Whether two points are near, without learning.",
            target="sides:Near",
            topology="sides:Distance",
            roles=(
                RoleSpec(name="query", summary="one point", modalities=("points",)),
                RoleSpec(name="response", summary="another", modalities=("points",), like="query"),
            ),
            defaults={"points": Defaults(backbone="sides:bare")},
            options="sides:NearOptions",
            methods=(
                MethodSpec(
                    name="nearest",
                    summary="The nearest rows.",
                    target="sides:nearest",
                    command=True,
                ),
            ),
            requires_fit=False,
            label="optional",
            metrics=("accuracy",),
            default_metric="accuracy",
            fusion=None,
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


class NumbersConfig(Config):
    places: int = Setting(default=6, ge=0, description="digits after the point")


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
        self.reads = dict(context.modalities)
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


class Bare(Backbone):
    """The numbers themselves; nothing to learn."""

    @property
    def dims(self):
        return {"pooled": 2}

    def forward(self, inputs):
        (arrays,) = inputs.values()
        return Features(pooled=arrays["numbers"])


class NearOptions(Config):
    within: float = Setting(default=1.0, gt=0, description="distance up to which points are near")
    scale: float = Setting(default=1.0, gt=0, description="of all distances, in the network")


class Distance(Topology):
    def encode(self, batch):
        return {name: found.pooled for name, found in self.run_backbones(batch).items()}

    def forward_latents(self, latents, present):
        one, two = latents.values()
        return {"distance": (one - two).norm(dim=1)}

    def loss(self, outputs, batch):
        return outputs["distance"].mean()

    def predict(self, batch, options=None):
        return {"distance": self.forward(batch)["distance"] * options.scale}

    def embed(self, batch, of="fused"):
        return self.forward(batch)["distance"][:, None]


class Near(Task):
    def learn(self, targets):
        pass

    def encode(self, targets):
        there = [name for name in self.label if name in targets]
        near = targets[there[0]].to_numpy() if there else np.ones(len(targets), dtype=bool)
        return {"near": near}  # pairs without a label are near

    @property
    def output_dim(self):
        return 1

    def decode(self, outputs, meta, options=None):
        near = np.asarray(outputs["distance"]) <= options.within
        name = self.label[0] if self.label else "near"
        return Decoded(pd.DataFrame({name: near}), views={"labels": near})

    def truth(self, targets, needs):
        return targets["near"]

    def state(self):
        return State()

    @classmethod
    def from_state(cls, config, label, state):
        return cls(config, label)


def nearest(predictor, data, top_k=3):
    distances = predictor.extract_embedding(data)[:, 0]
    rows = np.argsort(distances, kind="stable")[:top_k]
    return pd.DataFrame({"row": rows, "distance": distances[rows]})
