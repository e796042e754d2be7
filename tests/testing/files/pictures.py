"""A one-file plugin: a processor of pictures, mirrored in training, whose boxes move with them."""

import io

import numpy as np
import torch
from PIL import Image

from mm_core.api import (
    BackboneSpec,
    BadCell,
    Detection,
    Encoded,
    InputBatch,
    ModalitySpec,
    PluginInfo,
    Processor,
    ProcessorSpec,
    SampleColumn,
    Samples,
    hookimpl,
)
from mm_core.api.nn import Backbone, Features

SIDE = 48


def _picture(number):
    """A grey PNG, each of another shade."""
    file = io.BytesIO()
    Image.new("L", (40 + number, 40), 10 * number).save(file, "PNG")
    return file.getvalue()


_FILES = {f"{number}.png": _picture(number) for number in range(14)}
SAMPLES = Samples(
    columns=(SampleColumn("photo", "path", list(_FILES), broken=("absent.png",), files=_FILES),)
)


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Pictures.", samples="pictures:SAMPLES")


@hookimpl
def mm_modalities():
    return [
        ModalitySpec(
            name="photo",
            summary="Paths of .png files.",
            detector="pictures:detect",
            kinds=("path",),
            processor="pictures:square",
            backbone="pictures:shade",
        )
    ]


@hookimpl
def mm_processors():
    return [
        ProcessorSpec(
            name="square",
            summary="Pictures as squares.",
            target="pictures:Square",
            modalities=("photo",),
            moves=("boxes",),
        )
    ]


@hookimpl
def mm_backbones():
    return [
        BackboneSpec(
            name="shade", summary="Mean shade.", target="pictures:Shade", modalities=("photo",)
        )
    ]


def detect(sample):
    if all(isinstance(value, str) and value.endswith(".png") for value in sample.values):
        return Detection("path", 1.0, "every value ends in .png")
    return None


class Square(Processor):
    """``pixels`` float32 [N, 1, SIDE, SIDE]."""

    def fit(self, table):
        pass

    def encode(self, table):
        (field,) = self.fields
        pictures, bad = [None] * len(table), []
        present = np.zeros(len(table), dtype=bool)
        for row, cell in enumerate(table.frame[field.column]):
            if cell is None or (isinstance(cell, float) and np.isnan(cell)):
                continue
            try:
                pictures[row] = Image.open(table.folder / cell).convert("L")
                present[row] = True
            except (OSError, TypeError, ValueError) as error:
                bad.append(BadCell(row, field.column, repr(cell)[:99], str(error)))
        return Encoded({"pictures": pictures}, present, bad=bad)

    def batch(self, encoded, rows, augment=None, targets=None):
        pixels = np.zeros((len(rows), 1, SIDE, SIDE), np.float32)
        mirrored = np.zeros(len(rows), bool) if augment is None else augment.random(len(rows)) < 0.5
        moved = dict(targets or {})
        if "boxes" in moved:
            moved["boxes"] = list(moved["boxes"])
        for place, row in enumerate(rows):
            picture = encoded.arrays["pictures"][row]
            if picture is None:
                continue
            small = np.asarray(picture.resize((SIDE, SIDE)), np.float32) / 255
            pixels[place, 0] = small[:, ::-1] if mirrored[place] else small
            if "boxes" in moved:
                boxes = moved["boxes"][place] * np.float32([SIDE / n for n in picture.size] * 2)
                if mirrored[place]:
                    boxes = np.stack(
                        [SIDE - boxes[:, 2], boxes[:, 1], SIDE - boxes[:, 0], boxes[:, 3]], axis=1
                    )
                moved["boxes"][place] = boxes
        return InputBatch({"pixels": pixels}, encoded.present[rows], targets=moved)


class Shade(Backbone):
    def __init__(self, config, context):
        super().__init__(config, context)
        self.layer = torch.nn.Linear(SIDE * SIDE, 8)

    @property
    def dims(self):
        return {"pooled": 8}

    def forward(self, inputs):
        (arrays,) = inputs.values()
        return Features(pooled=self.layer(arrays["pixels"].flatten(1)))
