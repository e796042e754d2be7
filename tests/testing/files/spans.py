"""A one-file plugin: marks the numbers and the shouted words of short texts, by their characters.

A per-token task: the processor puts offsets into meta, the task's labels are lists of dicts, and
decoding turns classes of tokens back into spans of the text.
"""

import numpy as np
import pandas as pd
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
    SampleColumn,
    Samples,
    SampleTask,
    State,
    Task,
    TaskSpec,
    hookimpl,
)
from mm_core.api.nn import Backbone, Features, Topology

KINDS = ("number", "shout")


def _words(text):
    """(start, end) of each word."""
    start, found = 0, []
    for word in text.split(" "):
        if word:
            found.append((start, start + len(word)))
        start += len(word) + 1
    return found


def _label(text):
    kinds = {
        (start, end): "number" if text[start:end].isdecimal() else "shout"
        for start, end in _words(text)
        if text[start:end].isdecimal() or text[start:end].isupper()
    }
    return [{"start": start, "end": end, "kind": kind} for (start, end), kind in kinds.items()]


_TEXTS = [
    " ".join(
        ("go", "12", "NOW", "away", "7", "STOP")[(i * i + 3 * j) % 6] for j in range(1 + i % 4)
    )
    for i in range(24)
]
_COLUMN = SampleColumn("line", "line", _TEXTS, name="line")
SAMPLES = Samples(
    columns=(_COLUMN,),
    tasks=(SampleTask("spans", {"marks": [_label(text) for text in _TEXTS]}, (_COLUMN,)),),
)


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Spans of lines.", samples="spans:SAMPLES")


@hookimpl
def mm_modalities():
    return [
        ModalitySpec(
            name="line",
            summary="A few words.",
            detector="spans:detect",
            kinds=("line",),
            processor="spans:words",
            backbone="spans:bag",
        )
    ]


@hookimpl
def mm_processors():
    return [
        ProcessorSpec(
            name="words", summary="Facts of words.", target="spans:Words", modalities=("line",)
        )
    ]


@hookimpl
def mm_backbones():
    return [
        BackboneSpec(
            name="bag",
            summary="One layer.",
            target="spans:Bag",
            modalities=("line",),
            provides=("tokens",),
        )
    ]


@hookimpl
def mm_tasks():
    return [
        TaskSpec(
            name="spans",
            summary="Spans of characters.",
            target="spans:Spans",
            topology="spans:Tagger",
            needs=("tokens",),
            metrics=("agreed",),
            default_metric="agreed",
            fusion=None,
        )
    ]


@hookimpl
def mm_metrics():
    return [
        MetricSpec(
            name="agreed",
            summary="Spans that are right, of all that are there or said.",
            target="spans:Agreed",
            needs="spans",
            higher_is_better=True,
        )
    ]


def detect(sample):
    if sample.values and all(isinstance(v, str) and len(v) < 40 for v in sample.values):
        return Detection("line", 0.6, "short texts")
    return None


class Words(Processor):
    """``facts`` float32 [N, T, 3], ``mask`` bool [N, T]; meta ``offsets``: list of [T, 2]."""

    def fit(self, table):
        pass

    def encode(self, table):
        cells = [cell if isinstance(cell, str) else "" for cell in table.frame.iloc[:, 0]]
        spans = [_words(cell) for cell in cells]
        facts = [
            [(w.isdecimal(), w.isupper(), w.islower()) for w in (cell[a:b] for a, b in found)]
            for cell, found in zip(cells, spans, strict=True)
        ]
        present = np.array([bool(found) for found in spans], dtype=bool)
        return Encoded({"facts": facts, "spans": spans}, present)

    def batch(self, encoded, rows, augment=None, targets=None):
        longest = max(1, *(len(encoded.arrays["spans"][row]) for row in rows))
        facts = np.zeros((len(rows), longest, 3), dtype=np.float32)
        mask = np.zeros((len(rows), longest), dtype=bool)
        for place, row in enumerate(rows):
            n = len(encoded.arrays["spans"][row])
            facts[place, :n] = np.reshape(encoded.arrays["facts"][row], (n, 3))
            mask[place, :n] = True
        offsets = [np.reshape(encoded.arrays["spans"][row], (-1, 2)).astype(int) for row in rows]
        return InputBatch(
            {"facts": facts, "mask": mask}, encoded.present[rows], meta={"offsets": offsets}
        )


class Bag(Backbone):
    def __init__(self, config, context):
        super().__init__(config, context)
        self.layer = nn.Linear(3, 8)

    @property
    def dims(self):
        return {"tokens": 8}

    def forward(self, inputs):
        (arrays,) = inputs.values()
        return Features(tokens=torch.tanh(self.layer(arrays["facts"])), mask=arrays["mask"])


class Spans(Task):
    """A label is a list of ``{"start": 0, "end": 2, "kind": "number"}``."""

    def learn(self, targets):
        self.complete(targets)

    def encode(self, targets):
        return {"spans": list(self.complete(targets)[self.label[0]])}

    @property
    def output_dim(self):
        return 1 + len(KINDS)

    def decode(self, outputs, meta, options=None):
        (offsets,) = [one["offsets"] for one in meta.values()]
        rows = []
        for classes, words in zip(outputs["classes"], offsets, strict=True):
            marked = [
                (int(start), int(end), KINDS[kind - 1])
                for kind, (start, end) in zip(classes[: len(words)], words, strict=True)
                if kind
            ]
            rows.append([dict(zip(("start", "end", "kind"), one, strict=True)) for one in marked])
        return Decoded(pd.DataFrame({self.label[0]: pd.Series(rows)}), {"spans": rows})

    def truth(self, targets, needs):
        return targets["spans"]

    def state(self):
        return State()

    @classmethod
    def from_state(cls, config, label, state):
        return cls(config, label)


class Tagger(Topology):
    """Classes of each word: 0 none, then the kinds."""

    def __init__(self, parts):
        super().__init__(parts)
        ((self.name, backbone),) = parts.backbones.items()
        self.classes = nn.Linear(backbone.dims["tokens"], self.task.output_dim)

    def encode(self, batch):
        found = self.run_backbones(batch)[self.name]
        return {f"{self.name}.tokens": found.tokens, f"{self.name}.mask": found.mask}

    def forward_latents(self, latents, present):
        logits = self.classes(latents[f"{self.name}.tokens"])
        return {"logits": logits, "mask": latents[f"{self.name}.mask"]}

    def loss(self, outputs, batch):
        wanted = torch.zeros(outputs["mask"].shape, dtype=torch.long)
        ((offsets),) = [one["offsets"] for one in batch.meta.values()]
        for row, (words, spans) in enumerate(zip(offsets, batch.targets["spans"], strict=True)):
            kinds = {(one["start"], one["end"]): 1 + KINDS.index(one["kind"]) for one in spans}
            for place, (start, end) in enumerate(words):
                wanted[row, place] = kinds.get((int(start), int(end)), 0)
        losses = nn.functional.cross_entropy(
            outputs["logits"].transpose(1, 2), wanted, reduction="none"
        )
        there = outputs["mask"]
        losses = (losses * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
        return (losses if batch.weight is None else losses * batch.weight).mean()

    def predict(self, batch, options=None):
        outputs = self.forward(batch)
        lengths = outputs["mask"].sum(dim=1).tolist()
        classes = outputs["logits"].argmax(dim=2)
        return {"classes": [row[:n] for row, n in zip(classes, lengths, strict=True)]}

    def embed(self, batch, of="fused"):
        latents = self.encode(batch)
        there = latents[f"{self.name}.mask"][:, :, None]
        return (latents[f"{self.name}.tokens"] * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)


class Agreed:
    def __init__(self):
        self.reset()

    def update(self, truth, answer):
        for wanted, said in zip(truth, answer, strict=True):
            pairs = [{tuple(sorted(one.items())) for one in row} for row in (wanted, said)]
            self.right += len(pairs[0] & pairs[1])
            self.all += len(pairs[0] | pairs[1])

    def compute(self):
        return self.right / max(self.all, 1)

    def reset(self):
        self.right = self.all = 0
