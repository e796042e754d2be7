"""A one-file plugin that uses every hook: points like "47.1,8.5", their distance to a centre."""

from __future__ import annotations

import time

import numpy as np
import safetensors.torch
import torch
from pydantic import Field as Setting
from torch import nn

from mm_core.api import (
    AdapterSpec,
    BackboneSpec,
    Checkpoint,
    CheckpointFormat,
    CheckpointFormatSpec,
    CheckpointMiss,
    CheckpointSourceSpec,
    Config,
    Decoded,
    Detection,
    Encoded,
    Exporter,
    ExporterSpec,
    ExportReport,
    FitResult,
    Fitter,
    FitterSpec,
    FusionHeadSpec,
    InputBatch,
    Loss,
    LossSpec,
    MetricSpec,
    ModalitySpec,
    PluginInfo,
    PresetSpec,
    Processor,
    ProcessorSpec,
    State,
    Task,
    TaskSpec,
    hookimpl,
)
from mm_core.api.nn import Adapter, Backbone, Features, Fused, FusionHead


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Points on a map, for tests.")


@hookimpl
def mm_modalities():
    return [
        ModalitySpec(
            name="points",
            summary="Points 'lat,lon'.",
            detector="toy:detect",
            kinds=("point",),
            processor="toy:split",
            backbone="toy:linear",
        )
    ]


@hookimpl
def mm_processors():
    return [
        ProcessorSpec(
            name="split", summary="Two numbers.", target="toy:Split", modalities=("points",)
        )
    ]


@hookimpl
def mm_backbones():
    return [
        BackboneSpec(
            name="linear",
            summary="One layer.",
            target="toy:Linear",
            config="toy:LinearConfig",
            modalities=("points",),
            formats=("toy",),
            alone={"epochs": 3},
        )
    ]


@hookimpl
def mm_adapters():
    return [AdapterSpec(name="bias", summary="Biases only.", target="toy:Bias")]


@hookimpl
def mm_fusion_heads():
    return [FusionHeadSpec(name="first", summary="The sum of all.", target="toy:SumHead")]


@hookimpl
def mm_tasks():
    return [
        TaskSpec(
            name="sign",
            summary="The sign of a number.",
            target="toy:Sign",
            metrics=("agreement",),
            default_metric="toy:agreement",
        )
    ]


@hookimpl
def mm_losses():
    return [
        LossSpec(
            name="hinge",
            summary="Margins of classes.",
            target="toy:Hinge",
            config="toy:HingeConfig",
            needs="class",
        )
    ]


@hookimpl
def mm_metrics():
    return [
        MetricSpec(
            name="agreement",
            summary="Share of equal signs.",
            target="toy:Agreement",
            needs="labels",
            higher_is_better=True,
        )
    ]


@hookimpl
def mm_fitters():
    return [FitterSpec(name="once", summary="One step of SGD per batch.", target="toy:Once")]


@hookimpl
def mm_checkpoint_formats():
    return [CheckpointFormatSpec(name="toy", summary="A file with a number.", target="toy:Filled")]


@hookimpl
def mm_checkpoints():
    return [
        CheckpointSourceSpec(
            name="shelf", summary="Two names.", target="toy:find", formats=("toy",)
        )
    ]


@hookimpl
def mm_presets():
    return [
        PresetSpec(
            name="toy_quality",
            summary="Wider.",
            components=("toy:linear",),
            values={"width": 12, "checkpoint": ("absent", "ones")},
        )
    ]


@hookimpl
def mm_exporters():
    return [ExporterSpec(name="head", summary="The weights of the head.", target="toy:Archive")]


def detect(sample):
    pairs = [str(value).split(",") for value in sample.values]
    if sample.dtype == "string" and all(len(pair) == 2 for pair in pairs):
        return Detection("point", 1.0, "every value is 'lat,lon'")
    return None


class LinearConfig(Config):
    width: int = Setting(default=4, description="features")
    checkpoint: str | tuple[str, ...] = Setting(default="random", description="weights")


class Split(Processor):
    def fit(self, table):
        pass

    def encode(self, table):
        cells = table.frame[self.fields[0].column]
        present = cells.notna().to_numpy()
        values = np.zeros((len(table), 2), dtype=np.float32)
        values[present] = [[float(x) for x in cell.split(",")] for cell in cells[present]]
        return Encoded({"xy": values}, present)

    def batch(self, encoded, rows, augment=None, targets=None):
        return InputBatch({"xy": encoded.arrays["xy"][rows]}, encoded.present[rows])

    def state(self):
        return State()

    @classmethod
    def from_state(cls, config, fields, state):
        return cls(config, fields)


class Linear(Backbone):
    def __init__(self, config, context):
        super().__init__(config, context)
        self.layer = nn.Linear(2, config.width)
        self.pretrained = context.checkpoint is not None
        if context.checkpoint is not None:
            nn.init.constant_(self.layer.weight, float(context.checkpoint.details["value"]))

    @property
    def dims(self):
        return {"pooled": self.config.width}

    def forward(self, inputs):
        (arrays,) = inputs.values()
        return Features(pooled=torch.tanh(self.layer(arrays["xy"] / 90)))


class Bias(Adapter):
    def apply(self, backbone):
        for name, parameter in backbone.named_parameters():
            parameter.requires_grad_(name.endswith("bias"))


class SumHead(FusionHead):
    def __init__(self, config, inputs, output_dim):
        super().__init__(config, inputs, output_dim)
        self.dim = 3
        self.maps = nn.ModuleDict(
            {name: nn.Linear(dims["pooled"], 3) for name, dims in sorted(inputs.items())}
        )

    def forward(self, features, present):
        parts = [
            layer(torch.where(present[name][:, None], features[name].pooled, 0.0))
            for name, layer in self.maps.items()
        ]
        return Fused(pooled=torch.stack(parts).sum(dim=0))


class Sign(Task):
    def learn(self, targets):
        pass

    def encode(self, targets):
        return {"sign": (targets.iloc[:, 0].to_numpy() > 0).astype(np.int64)}

    @property
    def output_dim(self):
        return 2

    def loss(self, logits, targets, weight):
        return nn.functional.cross_entropy(logits, targets["sign"])

    def decode(self, outputs, meta, options=None):
        import pandas as pd

        found = outputs["logits"].argmax(axis=1)
        answer = pd.DataFrame({self.label[0]: np.where(found == 1, "plus", "minus")})
        return Decoded(answer, {"labels": found})

    def truth(self, targets, needs):
        return targets["sign"]

    def state(self):
        return State()

    @classmethod
    def from_state(cls, config, label, state):
        return cls(config, label)


class HingeConfig(Config):
    margin: float = Setting(default=1.0, gt=0, description="wanted lead of the true class")


class Hinge(Loss):
    def __call__(self, logits, target):
        return nn.functional.multi_margin_loss(
            logits, target, margin=self.config.margin, reduction="none"
        )


class Agreement:
    def __init__(self):
        self.reset()

    def update(self, truth, answer):
        self.hits += int((truth == answer).sum())
        self.rows += len(truth)

    def compute(self):
        return self.hits / self.rows

    def reset(self):
        self.hits, self.rows = 0, 0


class Once(Fitter):
    def fit(self, job):
        model, train = job.model.topology.train(), job.batches()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        train.set_epoch(0)
        for batch in train:
            optimizer.zero_grad()
            model.loss(model(batch), batch).backward()
            optimizer.step()
        return FitResult([{"epoch": 1.0, "score": job.score()}], job.score(), "one pass done")


class Filled(CheckpointFormat):
    def recognise(self, path, name, told):
        try:
            return {"value": int(path.read_text())}
        except (OSError, ValueError):
            return CheckpointMiss(reason="no number is in it")


def find(name, format):
    if name == "ones":
        return Checkpoint(name=name, source="the shelf", format="toy", details={"value": 1})
    return CheckpointMiss(reason="not on the shelf", remedy="write checkpoint=ones")


class Archive(Exporter):
    def check(self, model):
        return [] if model.topology.fusion is None else ["several inputs"]

    def export(self, job):
        start = time.monotonic()
        safetensors.torch.save_file(job.model.topology.head.state_dict(), str(job.path))
        return ExportReport(job.path, None, None, time.monotonic() - start)
