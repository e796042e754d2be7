"""``predict_crops``: things of whole pictures and of their parts, joined. Heavy: torchvision.

Which parts are looked at, and what of them is thrown away, is what transformers' pipeline
``mask-generation`` does with ``crops_n_layers``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from mm_image.api import mask_to_runs, run_lengths, runs_to_mask
from PIL import Image
from torchvision.ops import nms

from mm_core.api import ConfigError, NotFittedError, tools
from mm_segmentation.generation import answer
from mm_segmentation.methods import picture_of, read_from

if TYPE_CHECKING:
    from mm_core.api.processors import Table
    from mm_core.api.tools import Model, MultiModalPredictor

_SHARED = 512 / 1500
"""Of the picture's shorter side, that parts of the first layer have in common."""

_NEAR = 20
"""Pixels: a thing that ends so near to a part's border is cut off by it."""

_CORNER = (0, 0, 1, 1)
"""Boxes end beside the last pixel; those that are compared end in it."""

Box = tuple[int, int, int, int]


def predict_crops(
    predictor: MultiModalPredictor,
    data: Any,
    layers: int = 1,
    downscale: int = 1,
    **options: Any,
) -> pd.Series[Any]:
    """Things of pictures and of parts of them, for things too small on the network's canvas.

    Layer n cuts a picture into 4 ** n parts, each of which costs what the picture does. A thing
    that a part's border cuts off is left to the others; of what was found twice the surer stays.

    Args:
        predictor: of the task ``mask_generation``.
        data: rows with pictures.
        layers: 1: the picture and its 4 parts; 2: 16 more; 0: as ``predict``.
        downscale: a layer is asked this many times fewer points a side than the one before.
        options: of the prediction.

    Returns:
        Answers as ``predict`` gives them, with the caller's index.

    Raises:
        ConfigError: fewer than 0 layers, no point left for one, or an option that is none.
        DataError: a picture cannot be read.
    """
    read = tools.read_rows(data, tools.registry_of(predictor))
    model = _model(predictor, read.table)
    side = options.pop("points_per_side", None) or model.pipeline.task.config.points_per_side
    points = [int(side / downscale**layer) if downscale >= 1 else 0 for layer in range(layers + 1)]
    if not points or min(points) < 1:
        raise ConfigError(
            f"layers={layers}, downscale={downscale}: no point is asked",
            value=(layers, downscale),
            remedy=f"layers: 0 or more; downscale: from 1 on, so that {side} points a side last",
        )
    column, most = read_from(model.recipe)
    form, overlap = options.pop("form", "records"), options.pop("box_nms_thresh", 0.7)
    given = {**options, "box_nms_thresh": 1.0}
    answers = []
    for row in range(len(read.table)):
        picture = picture_of(read.table, column, row, most)
        found = None if picture is None else _found(predictor, model, picture, points, given)
        answers.append(None if found is None else answer(_best(found, overlap), form))
    return pd.Series(answers, index=read.index, name="things", dtype=object)


def crops(size: tuple[int, int], layers: int) -> Iterator[tuple[int, Box]]:
    """Layer and left, upper, right, lower of the picture and of its parts.

    Args:
        size: width and height of the picture.
        layers: beside that of the picture itself.
    """
    yield 0, (0, 0, *size)
    for layer in range(1, layers + 1):
        count = 2**layer
        shared = int(_SHARED * min(size) * 2 / count)
        wide, high = (ceil((shared * (count - 1) + one) / count) for one in size)
        for x, y in product(range(count), range(count)):
            left, top = x * (wide - shared), y * (high - shared)
            yield layer, (left, top, min(left + wide, size[0]), min(top + high, size[1]))


def _found(
    predictor: MultiModalPredictor,
    model: Model,
    picture: Image.Image,
    points: list[int],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Things of a picture and its parts, as the task's view ``things`` has those of a picture."""
    column, _ = read_from(model.recipe)
    runs: list[Any] = []
    scores, boxes = [np.zeros(0, np.float32)], [np.zeros((0, 4), np.int64)]
    for layer, box in crops(picture.size, len(points) - 1):
        part = pd.Series([np.asarray(picture.crop(box))], dtype=object)
        (said,) = tools.stream(
            model,
            pd.DataFrame({column: part}),
            tools.registry_of(predictor),
            {**options, "points_per_side": points[layer]},
        )
        (one,) = said.decoded.views["things"]
        places = np.asarray(one["boxes"]) + np.tile(box[:2], 2)
        whole = np.flatnonzero(~_cut_off(places - _CORNER, box, picture.size))
        runs.extend(_moved(one["size"], one["runs"][place], box, picture.size) for place in whole)
        scores.append(np.asarray(one["scores"])[whole])
        boxes.append(places[whole])
    return {
        "size": np.array(picture.size[::-1]),
        "runs": runs,
        "scores": np.concatenate(scores),
        "boxes": np.concatenate(boxes),
    }


def _cut_off(boxes: np.ndarray[Any, Any], part: Box, size: tuple[int, int]) -> Any:
    """bool [n]: they end at a border of the part that is none of the picture."""
    near_part = np.abs(boxes - np.array(part)) <= _NEAR
    near_end = np.abs(boxes - np.array([0, 0, *size])) <= _NEAR
    return (near_part & ~near_end).any(axis=1)


def _moved(size: Any, runs: Any, part: Box, whole: tuple[int, int]) -> Any:
    """Lengths of runs of a part's mask in the picture."""
    if part[2:] == whole and not any(part[:2]):
        return runs
    left, top, right, bottom = part
    mask = np.zeros(whole[::-1], dtype=bool)
    lengths = {"size": np.asarray(size).tolist(), "counts": np.asarray(runs).tolist()}
    mask[top:bottom, left:right] = runs_to_mask(lengths)
    return run_lengths(mask_to_runs(mask))[1]


def _best(found: Mapping[str, Any], overlap: float) -> dict[str, Any]:
    """The surest first, and of those whose boxes overlap more the surer."""
    boxes = torch.from_numpy(found["boxes"] - _CORNER).float()
    order = nms(boxes, torch.from_numpy(found["scores"]), overlap).numpy()
    best = {name: found[name][order] for name in ("scores", "boxes")}
    return {"size": found["size"], "runs": [found["runs"][place] for place in order], **best}


def _model(predictor: MultiModalPredictor, table: Table) -> Model:
    """Built where nothing was predicted yet: this task wants no fit."""
    try:
        return tools.model_of(predictor)
    except NotFittedError:
        predictor.predict(table.take(np.arange(min(1, len(table)))), points_per_side=1)
        return tools.model_of(predictor)
