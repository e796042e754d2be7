"""COCO's annotations as rows, and ``mm coco-info model/``: a reader and a command in one file."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from mm_core.api import (
    CommandSpec,
    DataError,
    PluginInfo,
    ReaderSpec,
    SampleData,
    Samples,
    Table,
    Trial,
    hookimpl,
    tools,
)
from mm_core.api.commands import Answer, AsJson, Model, Plugins

KEYS = (b'"images"', b'"annotations"', b'"categories"')
ENDS = 2**16
"""Bytes at each end of a file in which its keys are looked for."""


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="COCO's annotations.", samples="coco:SAMPLES")


@hookimpl
def mm_readers():
    return [
        ReaderSpec(
            name="boxes",
            summary="A COCO .json of boxes: columns image, rois.",
            claims="coco:claims",
            target="coco:read",
        )
    ]


@hookimpl
def mm_commands():
    return [
        CommandSpec(
            name="coco-info", summary="Say what a model reads and answers.", target="coco:info"
        )
    ]


def claims(data):
    """A .json with the keys that every COCO file has."""
    if not isinstance(data, str | Path) or not str(data).endswith(".json") or "\0" in str(data):
        return False
    if not Path(data).is_file():
        return False
    with Path(data).open("rb") as file:
        text = file.read(ENDS)
        file.seek(max(file.tell(), file.seek(0, 2) - ENDS))
        text += file.read()
    return sum(key in text for key in KEYS) >= 2  # of a large file one may stand between


def read(data):
    """``image``: path from the file's folder; ``rois``: [x1, y1, x2, y2, category id] a box."""
    try:
        coco = json.loads(Path(data).read_text(encoding="utf-8"))
        boxes = {image["id"]: [] for image in coco["images"]}
        for one in coco["annotations"]:
            x, y, width, height = one["bbox"]
            boxes[one["image_id"]].append([x, y, x + width, y + height, one["category_id"]])
        names = [image["file_name"] for image in coco["images"]]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{data} is not as COCO's files are: {type(error).__name__}: {error}",
            value=str(data),
            remedy="images have id and file_name, annotations image_id, bbox and category_id",
        ) from error
    return Table(pd.DataFrame({"image": names, "rois": list(boxes.values())}), Path(data).parent)


def info(model: Model, plugin: Plugins = None, as_json: AsJson = False) -> Answer:
    """Say what a model reads and answers.

    Example: mm coco-info model/
    """
    recipe = tools.load(model, plugins=plugin or ()).recipe
    columns = [name for part in recipe.inputs.values() for name in part.columns]
    facts = {"task": recipe.task.id, "label": list(recipe.data.label), "columns": columns}
    return Answer(facts, f"{recipe.task.id}: {', '.join(columns)} -> {', '.join(facts['label'])}")


_COCO = {
    "images": [{"id": 7, "file_name": "b.png"}, {"id": 3, "file_name": "a.png"}],
    "annotations": [
        {"image_id": 3, "bbox": [1, 2, 3, 4], "category_id": 90},
        {"image_id": 3, "bbox": [0, 0, 2.5, 1], "category_id": 1},
    ],
    "categories": [{"id": 1, "name": "person"}, {"id": 90, "name": "toothbrush"}],
}
SAMPLES = Samples(
    data=(
        SampleData(
            reader="boxes",
            files={"instances.json": json.dumps(_COCO).encode()},
            data=lambda folder: folder / "instances.json",
            columns={
                "image": ["b.png", "a.png"],
                "rois": [[], [[1, 2, 4, 6, 90], [0, 0, 2.5, 1, 1]]],
            },
        ),
    ),
    trials=(Trial("command", "coco-info", {"arguments": ["{model}"]}),),
)
