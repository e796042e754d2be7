"""A one-file plugin that keeps every rule; the tests break one at a time by changing its text."""

import hashlib
import time

import numpy as np
import pandas as pd
import torch
from pydantic import Field as Setting
from torch import nn

from mm_core.api import (
    AdapterSpec,
    BackboneSpec,
    BadCell,
    CheckpointFormat,
    CheckpointFormatSpec,
    CheckpointMiss,
    CheckpointSourceSpec,
    Config,
    Curves,
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
    LabelError,
    Loss,
    LossSpec,
    MetricSpec,
    ModalitySpec,
    PluginInfo,
    PresetSpec,
    Processor,
    ProcessorSpec,
    SampleCheckpoint,
    SampleColumn,
    Samples,
    SampleTask,
    Search,
    State,
    Task,
    TaskSpec,
    Trial,
    hookimpl,
)
from mm_core.api.nn import Adapter, Backbone, Features, Fused, FusionHead, Topology

SAMPLES = Samples(
    columns=(
        SampleColumn(
            "beats",
            "list",
            [None if i == 4 else " ".join(str(i + j) for j in range(1 + i % 5)) for i in range(24)],
            broken=("12 x 4",),
            name="pulse",
        ),
    ),
    tasks=(
        SampleTask(
            "parity",
            {"even": [i % 3 == 0 for i in range(24)]},
            files={"labels/yes.txt": b"1", "labels/no.txt": b"0"},
            named={"even": ["labels/yes.txt", "labels/no.txt"]},
        ),
        SampleTask("level", {"high": [i % 4 == 0 for i in range(24)]}),
    ),
    checkpoints=(SampleCheckpoint("sizes", {"sizes.json": b"{}", "values.bin": b"1"}),),
    trials=(Trial("backbone", "mean", {"width": 6}),),
)


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Keeps every rule.", samples="sound:SAMPLES")


@hookimpl
def mm_modalities():
    return [
        ModalitySpec(
            name="beats",
            summary="Integers in a row.",
            detector="sound:detect",
            kinds=("list", "none"),
            processor="sound:split",
            backbone="sound:mean",
        )
    ]


@hookimpl
def mm_processors():
    return [
        ProcessorSpec(
            name="split", summary="Padded numbers.", target="sound:Split", modalities=("beats",)
        )
    ]


@hookimpl
def mm_backbones():
    return [
        BackboneSpec(
            name="mean",
            summary="A layer, then the mean over beats.",
            target="sound:Mean",
            config="sound:MeanConfig",
            modalities=("beats",),
            provides=("pooled", "tokens"),
            formats=("sizes",),
        )
    ]


@hookimpl
def mm_adapters():
    return [AdapterSpec(name="scales", summary="Learned scales.", target="sound:Scales")]


@hookimpl
def mm_fusion_heads():
    return [
        FusionHeadSpec(
            name="gate",
            summary="Gated sum.",
            target="sound:Gate",
            config="sound:GateConfig",
            search_space={"dim": Search(choices=(4, 8))},
        )
    ]


@hookimpl
def mm_tasks():
    return [
        TaskSpec(
            name="parity",
            summary="One of two.",
            target="sound:Parity",
            saves="sound:save",
            metrics=("sound:hits",),
            default_metric="sound:hits",
        ),
        TaskSpec(
            name="level",
            summary="One of two, by the mean of the inputs.",
            target="sound:Level",
            topology="sound:Average",
            metrics=("sound:hits",),
            default_metric="sound:hits",
            fusion=None,
        ),
    ]


@hookimpl
def mm_losses():
    return [
        LossSpec(
            name="poly",
            summary="Cross entropy and a little more.",
            target="sound:Poly",
            config="sound:PolyConfig",
            needs="class",
        )
    ]


@hookimpl
def mm_metrics():
    return [
        MetricSpec(
            name="hits",
            summary="Share of right answers.",
            target="sound:Hits",
            needs="labels",
            higher_is_better=True,
        )
    ]


@hookimpl
def mm_fitters():
    return [FitterSpec(name="adam", summary="Some epochs of Adam.", target="sound:Adam")]


@hookimpl
def mm_checkpoint_formats():
    return [CheckpointFormatSpec(name="sizes", summary="Two files.", target="sound:Sizes")]


@hookimpl
def mm_checkpoints():
    return [
        CheckpointSourceSpec(
            name="shelf",
            summary="Empty.",
            target="sound:find",
            fetch="sound:fetch",
            formats=("sizes",),
        )
    ]


@hookimpl
def mm_presets():
    return [
        PresetSpec(name="wide", summary="Wider.", components=("sound:mean",), values={"width": 12})
    ]


@hookimpl
def mm_exporters():
    return [ExporterSpec(name="graph", summary="torch.export.", target="sound:Graph")]


class MeanConfig(Config):
    width: int = Setting(default=8, description="features")


class GateConfig(Config):
    dim: int = Setting(default=8, description="width")
    softmax: bool = Setting(default=True, description="shares that sum to one")


def detect(sample):
    def is_list(value):
        return isinstance(value, str) and all(part.isdecimal() for part in value.split(" "))

    if sample.values and sum(map(is_list, sample.values)) > 0.8 * len(sample.values):
        return Detection("list", 0.8, "integers in a row")
    return None


class Split(Processor):
    def fit(self, table):
        lengths = [len(str(c).split(" ")) for c in table.frame[self.fields[0].column].dropna()]
        self.longest = max(lengths, default=1)

    def encode(self, table):
        present = np.zeros(len(table), dtype=bool)
        beats = [np.zeros(0, dtype=np.float32)] * len(table)
        bad = []
        column = self.fields[0].column
        for row, cell in enumerate(table.frame[column]):
            if not isinstance(cell, str):
                continue
            try:
                beats[row] = np.array(cell.split(" ")[: self.longest], dtype=np.float32) / 10
                present[row] = True
            except ValueError:
                bad.append(BadCell(row, column, cell, "no integers"))
        return Encoded({"beats": beats}, present, bad=bad)

    def batch(self, encoded, rows, augment=None, targets=None):
        found = [encoded.arrays["beats"][row] for row in rows]
        width = max(1, *map(len, found))
        beats = np.zeros((len(rows), width), dtype=np.float32)
        mask = np.zeros((len(rows), width), dtype=bool)
        for place, values in enumerate(found):
            beats[place, : len(values)] = values
            mask[place, : len(values)] = True
        if augment is not None:
            beats += 0.01 * augment.normal(size=beats.shape).astype(np.float32)
        return InputBatch({"beats": beats, "mask": mask}, encoded.present[rows])

    @property
    def info(self):
        return {"longest": self.longest}

    def state(self):
        return State({"longest": self.longest})

    @classmethod
    def from_state(cls, config, fields, state):
        processor = cls(config, fields)
        processor.longest = state.values["longest"]
        return processor


class Mean(Backbone):
    def __init__(self, config, context):
        super().__init__(config, context)
        self.first = nn.Linear(1, config.width)
        self.last = nn.Linear(config.width, config.width)

    @property
    def dims(self):
        return {"pooled": self.config.width, "tokens": self.config.width}

    def forward(self, inputs):
        (arrays,) = inputs.values()
        mask = arrays["mask"]
        tokens = self.last(torch.tanh(self.first(arrays["beats"][:, :, None])))
        real = tokens.masked_fill(~mask[:, :, None], 0.0)
        pooled = real.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        return Features(pooled=pooled, tokens=tokens, mask=mask)

    def stages(self):
        return [self.first, self.last]


class Scaled(nn.Module):
    """A layer, and a learned scale of each of its outputs."""

    def __init__(self, base):
        super().__init__()
        self.base = base
        self.scale = nn.Parameter(torch.ones(base.out_features))

    def forward(self, x):
        return self.base(x) * self.scale


class Scales(Adapter):
    """On the first linear layer."""

    def apply(self, backbone):
        backbone.requires_grad_(False)
        backbone.still = tuple(one for one in backbone.modules() if hasattr(one, "running_mean"))
        linear = [path for path, one in backbone.named_modules() if type(one) is nn.Linear]
        path = linear[0]
        backbone.set_submodule(path, Scaled(backbone.get_submodule(path)))

    def own_weights(self, backbone):
        return frozenset(name for name in backbone.state_dict() if name.endswith(".scale"))

    def merge(self, backbone):
        for path, layer in list(backbone.named_modules()):
            if isinstance(layer, Scaled):
                with torch.no_grad():
                    layer.base.weight.mul_(layer.scale[:, None])
                    layer.base.bias.mul_(layer.scale)
                backbone.set_submodule(path, layer.base)


class Gate(FusionHead):
    def __init__(self, config, inputs, output_dim):
        super().__init__(config, inputs, output_dim)
        self.dim = config.dim
        self.auxiliary_weight = 0.1
        names = sorted(inputs)
        self.project = nn.ModuleDict({n: nn.Linear(inputs[n]["pooled"], config.dim) for n in names})
        self.score = nn.ModuleDict({n: nn.Linear(config.dim, 1) for n in names})
        self.own = nn.ModuleDict({n: nn.Linear(config.dim, output_dim) for n in names})
        self.nothing = nn.Parameter(torch.zeros(config.dim))

    def forward(self, features, present):
        names = list(self.project)
        there = torch.stack([present[name] for name in names], dim=1)
        filled = {n: torch.where(present[n][:, None], features[n].pooled, 0.0) for n in names}
        hidden = {n: torch.tanh(self.project[n](filled[n])) for n in names}
        scores = torch.cat([self.score[n](hidden[n]) for n in names], dim=1)
        scores = scores.masked_fill(~there, -1e4)
        shares = torch.softmax(scores, dim=1) if self.config.softmax else torch.sigmoid(scores)
        shares = shares.masked_fill(~there, 0.0)
        stacked = torch.stack([hidden[n] for n in names], dim=1)
        pooled = (shares[:, :, None] * stacked).sum(dim=1)
        pooled = torch.where(there.any(dim=1, keepdim=True), pooled, self.nothing)
        return Fused(
            pooled=pooled,
            per_input={n: self.own[n](hidden[n]) for n in names},
            gates={n: shares[:, i] for i, n in enumerate(names)},
        )


def save(answers, rows, folder):
    names = [f"{row}.txt" for row in rows]
    for name, cell in zip(names, answers.iloc[:, 0], strict=True):
        (folder / name).write_text(str(cell))
    return pd.DataFrame({answers.columns[0]: names})


class Parity(Task):
    def learn(self, targets):
        self._check(targets)

    def encode(self, targets):
        self._check(targets)
        return {"even": np.array([self._read(one) for one in targets.iloc[:, 0]], np.int64)}

    def _read(self, label):
        if not isinstance(label, str):
            return label
        file = self.folder / label
        if not file.is_file():
            raise LabelError(f"there is no {file}", column=self.label[0], value=label)
        return int(file.read_text())

    def _check(self, targets):
        column = targets.iloc[:, 0]
        rows = np.flatnonzero(column.isna())
        if len(rows):
            raise LabelError("a label is missing", column=column.name, rows=rows.tolist())

    @property
    def output_dim(self):
        return 2

    def loss(self, logits, targets, weight):
        losses = nn.functional.cross_entropy(logits, targets["even"], reduction="none")
        return (losses if weight is None else losses * weight).mean()

    def decode(self, outputs, meta, options=None):
        found = outputs["logits"].argmax(axis=1)
        proba = torch.softmax(torch.from_numpy(outputs["logits"]), dim=1).numpy()
        return Decoded(
            pd.DataFrame({self.label[0]: found == 1}),
            {"labels": found},
            pd.DataFrame(proba, columns=[False, True]),
        )

    def truth(self, targets, needs):
        return targets["even"]

    def constant(self, targets):
        shares = np.bincount(targets["even"], minlength=2) + 1.0
        return np.log(shares)

    def true_answer(self, targets):
        return pd.DataFrame({self.label[0]: targets["even"] > 0})

    def state(self):
        return State()

    @classmethod
    def from_state(cls, config, label, state):
        parity = cls(config, label)
        return parity  # noqa: RET504


class Level(Task):
    """Above a half or not, on a topology of its own."""

    def learn(self, targets):
        self.complete(targets)

    def encode(self, targets):
        return {"high": self.complete(targets)[self.label[0]].to_numpy().astype(np.float32)}

    @property
    def output_dim(self):
        return 1

    def loss(self, logits, targets, weight):
        loss = nn.functional.binary_cross_entropy_with_logits
        return loss(logits[:, 0], targets["high"], weight)

    def decode(self, outputs, meta, options=None):
        found = outputs["logits"][:, 0] > 0
        return Decoded(pd.DataFrame({self.label[0]: found}), {"labels": found.astype(int)})

    def truth(self, targets, needs):
        return targets["high"].astype(int)

    def state(self):
        return State()

    @classmethod
    def from_state(cls, config, label, state):
        return cls(config, label)


class Average(Topology):
    """A layer for each backbone, and the mean over those that have something."""

    def __init__(self, parts):
        super().__init__(parts)
        width = self.task.output_dim
        self.answer = nn.ModuleDict(
            {name: nn.Linear(one.dims["pooled"], width) for name, one in parts.backbones.items()}
        )

    def encode(self, batch):
        features = self.run_backbones(batch)
        return {f"{name}.pooled": found.pooled for name, found in features.items()}

    def forward_latents(self, latents, present):
        there = self.presence(present)
        total, count = 0.0, 0.0
        for name, answer in self.answer.items():
            has = there[name][:, None]
            total = total + torch.where(has, answer(latents[f"{name}.pooled"]), 0.0)
            count = count + has.float()
        return {"logits": total / count.clamp(min=1)}

    def loss(self, outputs, batch):
        return self.task.loss(outputs["logits"], batch.targets, batch.weight)

    def embed(self, batch, of="fused"):
        return torch.cat(list(self.encode(batch).values()), dim=1)


class PolyConfig(Config):
    extra: float = Setting(default=1.0, ge=0, description="weight of 1 - p")


class Poly(Loss):
    """arXiv 2204.12511"""

    def __call__(self, logits, target):
        log_p = logits.log_softmax(dim=1).gather(1, target[:, None])[:, 0]
        return -log_p + self.config.extra * (1 - log_p.exp())


class Hits:
    def __init__(self):
        self.reset()

    def update(self, truth, answer):
        self.right += int((truth == answer).sum())
        self.rows += len(truth)

    def compute(self):
        return self.right / self.rows

    def details(self):
        return {"rows": self.rows}

    def curves(self):
        rows = np.array([0.0, self.rows])
        return [Curves("Rows", "share of them", "rows", {"all": (np.arange(2.0), rows)})]

    def reset(self):
        self.right, self.rows = 0, 0


class Adam(Fitter):
    def fit(self, job):
        job.train_new_first()
        model, train = job.model.topology.train(), job.batches()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for epoch in range(10):
            train.set_epoch(epoch)
            for batch in train:
                optimizer.zero_grad()
                model.loss(model(batch), batch).backward()
                optimizer.step()
        return FitResult([{"epoch": 10.0, "score": job.score()}], job.score(), "all epochs done")


class Sizes(CheckpointFormat):
    def recognise(self, path, name, told):
        lost = [part for part in ("sizes.json", "values.bin") if not (path / part).is_file()]
        return CheckpointMiss(reason=f"it has no {lost[0]}") if lost else {"parts": 2}

    def files(self, name, there):
        if "sizes.json" not in there:
            return CheckpointMiss(reason="it has no sizes.json")
        return ["sizes.json", "*.bin"]


def fetch(checkpoint, format):
    raise NotImplementedError


def find(name, format):
    return CheckpointMiss(reason="the shelf is empty")


class Graph(Exporter):
    def check(self, model):
        return [] if model.topology.fusion is None else ["several inputs"]

    def export(self, job):
        start = time.monotonic()
        state = job.model.topology.state_dict()
        path = job.path
        path.write_text("".join(hashlib.sha256(v.numpy()).hexdigest() for v in state.values()))
        return ExportReport(path, 0.0, 1.0, time.monotonic() - start)
