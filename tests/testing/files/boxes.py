"""A one-file plugin: finds bright boxes in small pictures, in as many as there are.

A direct task: boxes are ragged and move with the pixels, the topology has outputs and a loss of its
own, answers are in original pixels, and the metric reads a view that only this task gives.
"""

import io

import numpy as np
import pandas as pd
import torch
from torch import nn

from mm_core.api import (
    BackboneSpec,
    BadCell,
    Decoded,
    Detection,
    Encoded,
    InputBatch,
    LabelError,
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

SIDE, CELLS = 16, 4
"""Pixels of a picture as the network sees it, and of them one cell of the map."""


def _samples():
    """Pictures of two sizes with no, one or two bright boxes."""
    rng, files, boxes = np.random.default_rng(0), {}, []
    for number in range(32):
        scale = 1 + number % 2
        picture = rng.random((SIDE, SIDE)).astype(np.float32) / 10
        places = rng.permutation((SIDE // CELLS) ** 2)[: number % 3]
        row = []
        for place in sorted(places):
            y, x = CELLS * (place // (SIDE // CELLS)), CELLS * (place % (SIDE // CELLS))
            picture[y : y + CELLS, x : x + CELLS] += 1
            row.append([float(scale * one) for one in (x, y, x + CELLS, y + CELLS)])
        file = io.BytesIO()
        np.save(file, picture.repeat(scale, 0).repeat(scale, 1))
        files[f"{number}.npy"] = file.getvalue()
        boxes.append(row)
    column = SampleColumn(
        "scan", "path", list(files), broken=("absent.npy",), files=files, name="scan"
    )
    return Samples(
        columns=(column,),
        tasks=(SampleTask("boxes", {"boxes": boxes}, (column,), settings={"training.epochs": 40}),),
    )


SAMPLES = _samples()


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Boxes in scans.", samples="boxes:SAMPLES")


@hookimpl
def mm_modalities():
    return [
        ModalitySpec(
            name="scan",
            summary="Paths of .npy files.",
            detector="boxes:detect",
            kinds=("path",),
            processor="boxes:pixels",
            backbone="boxes:cells",
        )
    ]


@hookimpl
def mm_processors():
    return [
        ProcessorSpec(
            name="pixels", summary="Square pictures.", target="boxes:Pixels", modalities=("scan",)
        )
    ]


@hookimpl
def mm_backbones():
    return [
        BackboneSpec(
            name="cells",
            summary="One convolution.",
            target="boxes:Cells",
            modalities=("scan",),
            provides=("spatial",),
        )
    ]


@hookimpl
def mm_tasks():
    return [
        TaskSpec(
            name="boxes",
            summary="Boxes of bright cells.",
            target="boxes:Boxes",
            topology="boxes:Finder",
            needs=("spatial",),
            metrics=("found",),
            default_metric="found",
            fusion=None,
        )
    ]


@hookimpl
def mm_metrics():
    return [
        MetricSpec(
            name="found",
            summary="Boxes found of all that there are, and of all that were said.",
            target="boxes:Found",
            needs="boxes",
            higher_is_better=True,
        )
    ]


def detect(sample):
    if all(isinstance(value, str) and value.endswith(".npy") for value in sample.values):
        return Detection("path", 1.0, "every value ends in .npy")
    return None


class Pixels(Processor):
    """``pixels`` float32 [N, 1, SIDE, SIDE], read when a batch is made; meta ``scale`` [N]."""

    def fit(self, table):
        pass

    def encode(self, table):
        column = self.fields[0].column
        given = table.frame[column]
        cells = [cell if isinstance(cell, str) and cell else None for cell in given]
        wrong = [
            BadCell(row, column, cell, "no path")
            for row, (cell, missing) in enumerate(zip(given, given.isna(), strict=True))
            if cells[row] is None and not missing
        ]
        files = [None if cell is None else table.folder / cell for cell in cells]
        present = np.array([cell is not None for cell in cells], dtype=bool)
        return Encoded({"files": files, "cells": cells}, present, bad=wrong)

    def batch(self, encoded, rows, augment=None, targets=None):
        pixels = np.zeros((len(rows), 1, SIDE, SIDE), dtype=np.float32)
        present, scale, bad = encoded.present[rows].copy(), np.ones(len(rows)), []
        for place, row in enumerate(rows.tolist()):
            if not present[place]:
                continue
            try:
                picture = np.load(encoded.arrays["files"][row])
            except (OSError, ValueError) as error:
                cell = encoded.arrays["cells"][row]
                bad.append(BadCell(row, self.fields[0].column, cell, f"unreadable: {error}"[:80]))
                present[place] = False
                continue
            scale[place] = len(picture) / SIDE
            step = len(picture) // SIDE
            pixels[place, 0] = picture[::step, ::step]
        if augment is not None and targets is not None and "boxes" in targets:
            moved = list(targets["boxes"])
            for place in np.flatnonzero(augment.random(len(rows)) < 0.5):
                pixels[place] = pixels[place, :, :, ::-1]
                x0, y0, x1, y1 = moved[place].T
                width = SIDE * scale[place]
                moved[place] = np.stack([width - x1, y0, width - x0, y1], axis=1)
            targets = {**targets, "boxes": moved}
        if targets is not None and "boxes" in targets:
            unscaled = [b / s for b, s in zip(targets["boxes"], scale, strict=True)]
            targets = {**targets, "boxes": [one.astype(np.float32) for one in unscaled]}
        return InputBatch({"pixels": pixels}, present, bad, targets, {"scale": scale})


class Cells(Backbone):
    """``spatial`` [B, 8, SIDE / CELLS, SIDE / CELLS]."""

    def __init__(self, config, context):
        super().__init__(config, context)
        self.layer = nn.Conv2d(1, 8, CELLS, stride=CELLS)

    @property
    def dims(self):
        return {"spatial": 8}

    def forward(self, inputs):
        (arrays,) = inputs.values()
        return Features(spatial=torch.tanh(self.layer(arrays["pixels"])))


class Boxes(Task):
    """A label is a list of ``[x0, y0, x1, y1]`` in pixels, an empty one too."""

    def learn(self, targets):
        self.complete(targets)

    def complete(self, targets):
        column = targets[self.label[0]]
        rows = [row for row, boxes in enumerate(column) if not isinstance(boxes, list | tuple)]
        if rows:
            raise LabelError("these are no boxes", column=self.label[0], rows=rows)
        return targets[list(self.label)]

    def encode(self, targets):
        boxes = self.complete(targets)[self.label[0]]
        return {"boxes": [np.array(row, dtype=np.float32).reshape(-1, 4) for row in boxes]}

    @property
    def output_dim(self):
        return 1

    def decode(self, outputs, meta, options=None):
        (scale,) = [one["scale"] for one in meta.values()]
        boxes = [found * factor for found, factor in zip(outputs["boxes"], scale, strict=True)]
        answer = pd.DataFrame({self.label[0]: pd.Series([found.tolist() for found in boxes])})
        return Decoded(answer, {"boxes": boxes})

    def truth(self, targets, needs):
        return targets["boxes"]

    def state(self):
        return State()

    @classmethod
    def from_state(cls, config, label, state):
        return cls(config, label)


class Finder(Topology):
    """A score for each cell of the map."""

    def __init__(self, parts):
        super().__init__(parts)
        ((self.name, backbone),) = parts.backbones.items()
        self.score = nn.Conv2d(backbone.dims["spatial"], 1, 1)

    def encode(self, batch):
        return {f"{self.name}.spatial": self.run_backbones(batch)[self.name].spatial}

    def forward_latents(self, latents, present):
        return {"scores": self.score(latents[f"{self.name}.spatial"])[:, 0]}

    def loss(self, outputs, batch):
        scores = outputs["scores"]
        wanted = torch.zeros_like(scores)
        for row, boxes in enumerate(batch.targets["boxes"]):
            for x, y in (torch.as_tensor(boxes)[:, :2] / CELLS).long().tolist():
                wanted[row, y, x] = 1.0
        losses = nn.functional.binary_cross_entropy_with_logits(scores, wanted, reduction="none")
        losses = losses.mean(dim=(1, 2))
        return (losses if batch.weight is None else losses * batch.weight).mean()

    def predict(self, batch, options=None):
        found = []
        for row in self.forward(batch)["scores"]:
            corners = (row > 0).nonzero().flip(1).float() * CELLS
            found.append(torch.cat([corners, corners + CELLS], dim=1))
        return {"boxes": found}

    def embed(self, batch, of="fused"):
        return next(iter(self.encode(batch).values())).mean(dim=(2, 3))


class Found:
    """2 x hits / (boxes + boxes said)."""

    def __init__(self):
        self.reset()

    def update(self, truth, answer):
        for wanted, said in zip(truth, answer, strict=True):
            pairs = [set(map(tuple, np.asarray(one).tolist())) for one in (wanted, said)]
            self.hits += len(pairs[0] & pairs[1])
            self.all += len(pairs[0]) + len(pairs[1])

    def compute(self):
        return 2 * self.hits / max(self.all, 1)

    def reset(self):
        self.hits = self.all = 0
