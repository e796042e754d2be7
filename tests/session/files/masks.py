"""A one-file plugin for tests: discs of 256 px as masks, found by a threshold that is learned."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from mm_core.api import (
    BackboneSpec,
    Decoded,
    Detection,
    Encoded,
    InputBatch,
    MetricSpec,
    ModalitySpec,
    PluginInfo,
    Processor,
    ProcessorSpec,
    State,
    Task,
    TaskSpec,
    hookimpl,
)
from mm_core.api.nn import Backbone, Features, Topology

SIZE = 256
_Y, _X = np.mgrid[:SIZE, :SIZE] - SIZE / 2
DISTANCE = np.hypot(_Y, _X).astype(np.float32)


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Discs.")


@hookimpl
def mm_modalities():
    return [
        ModalitySpec(
            name="disc",
            summary="'disc 40': a radius.",
            detector="masks:detect",
            kinds=("radius",),
            processor="masks:draw",
            backbone="masks:pixels",
        )
    ]


@hookimpl
def mm_processors():
    return [ProcessorSpec(name="draw", summary="Draws.", target="masks:Draw", modalities=("disc",))]


@hookimpl
def mm_backbones():
    return [
        BackboneSpec(
            name="pixels",
            summary="The picture.",
            target="masks:Pixels",
            modalities=("disc",),
            provides=("spatial",),
        )
    ]


@hookimpl
def mm_tasks():
    return [
        TaskSpec(
            name="segmentation",
            summary="A mask; the label is the radius.",
            target="masks:Segmentation",
            topology="masks:PixelWise",
            needs=("spatial",),
            fusion=None,
            metrics=("masks:iou",),
            default_metric="masks:iou",
        )
    ]


@hookimpl
def mm_metrics():
    return [
        MetricSpec(
            name="iou",
            summary="Intersection over union.",
            target="masks:IoU",
            needs="masks",
            higher_is_better=True,
        )
    ]


def detect(sample):
    discs = all(str(value).startswith("disc ") for value in sample.values)
    return Detection("radius", 1.0, "discs") if discs else None


class Draw(Processor):
    """``pixels`` float32 [B, 1, 256, 256], drawn when a batch is made."""

    def fit(self, table):
        pass

    def encode(self, table):
        cells = table.frame[self.fields[0].column]
        radii = np.array([float(cell.split()[1]) for cell in cells], dtype=np.float32)
        return Encoded({"radius": radii}, np.ones(len(radii), dtype=bool))

    def batch(self, encoded, rows, augment=None, targets=None):
        radii = encoded.arrays["radius"][rows, None, None, None]
        pixels = (DISTANCE[None, None] < radii).astype(np.float32)
        drawn = {**targets, "mask": pixels[:, 0] > 0} if targets else None
        return InputBatch({"pixels": pixels}, encoded.present[rows], targets=drawn)


class Pixels(Backbone):
    def __init__(self, config, context):
        super().__init__(config, context)
        self.scale = nn.Parameter(torch.tensor(0.1))

    @property
    def dims(self):
        return {"spatial": 1}

    def forward(self, inputs):
        (arrays,) = inputs.values()
        return Features(spatial=self.scale * arrays["pixels"])


class PixelWise(Topology):
    """``logits`` [B, 256, 256]."""

    def __init__(self, parts):
        super().__init__(parts)
        self.bias = nn.Parameter(torch.tensor(-0.5))

    def forward_latents(self, latents, present):
        (spatial,) = latents.values()
        return {"logits": 5 * spatial[:, 0] + self.bias}

    def loss(self, outputs, batch):
        wanted = batch.targets["mask"].float()
        return nn.functional.binary_cross_entropy_with_logits(outputs["logits"], wanted)

    def embed(self, batch, of="fused"):
        return self.forward(batch)["logits"].flatten(1)[:, :8]


class Segmentation(Task):
    def learn(self, targets):
        self.complete(targets)

    def encode(self, targets):
        return {"radius": targets[self.label[0]].to_numpy(dtype=np.float32)}

    @property
    def output_dim(self):
        return 1

    def decode(self, outputs, meta, options=None):
        import pandas as pd

        masks = np.asarray(outputs["logits"]) > 0
        answer = pd.DataFrame({self.label[0]: pd.Series(list(masks), dtype=object)})
        return Decoded(answer, {"masks": masks})

    def truth(self, targets, needs):
        return DISTANCE[None] < targets["radius"][:, None, None]

    def state(self):
        return State()

    @classmethod
    def from_state(cls, config, label, state):
        return cls(config, label)


class IoU:
    def __init__(self):
        self.reset()

    def update(self, truth, answer):
        self.both += int((truth & answer).sum())
        self.either += int((truth | answer).sum())

    def compute(self):
        return self.both / max(1, self.either)

    def reset(self):
        self.both = self.either = 0
