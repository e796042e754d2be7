"""Boxes between the square that the network sees and the picture as it was given. numpy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

UPRIGHT = 1
"""EXIF's number of a picture that is to be shown as it is stored."""


def chosen(
    outputs: Mapping[str, Any], classes: Iterable[int] | None = None, most: int | None = None
) -> list[np.ndarray[Any, Any]]:
    """Places of the boxes of each picture that count, the best first.

    Args:
        outputs: lists of N: ``classes`` [n], ``scores`` [n].
        classes: codes of those that count; None: all.
        most: boxes a picture; None: all.
    """
    found = []
    for codes, scores in zip(outputs["classes"], outputs["scores"], strict=True):
        order = np.argsort(-np.asarray(scores), kind="stable")
        if classes is not None:
            order = order[np.isin(np.asarray(codes)[order], sorted(classes))]
        found.append(order[:most])
    return found


def boxes_in_pictures(
    outputs: Mapping[str, Any],
    where: Mapping[str, Any],
    places: Sequence[np.ndarray[Any, Any]] | None = None,
) -> list[np.ndarray[Any, Any]]:
    """What a detector found, in pixels of each picture, cut at its borders, the best first.

    Args:
        outputs: lists of N: ``boxes`` [n, 4] in pixels of the square, ``classes`` [n], ``scores``
            [n].
        where: of the processor: ``size``, ``scale``, ``turn``.
        places: of the boxes that are wanted, of :func:`chosen`; None: of all.

    Returns:
        float64 [n, 6] each: corners, code of the class, score.
    """
    found = []
    for order, boxes, codes, scores, size, scale, turn in zip(
        chosen(outputs) if places is None else places,
        *(outputs[name] for name in ("boxes", "classes", "scores")),
        *(where[name] for name in ("size", "scale", "turn")),
        strict=True,
    ):
        corners = np.asarray(boxes, np.float64).reshape(-1, 4) / np.tile(scale, 2)
        corners = np.clip(corners, 0, np.tile(size, 2))
        row = np.column_stack([as_stored(corners, size, int(turn)), codes, scores])
        found.append(row[order])
    return found


def answer_column(
    found: Sequence[np.ndarray[Any, Any]],
    classes: Sequence[Any],
    ids: Sequence[int],
    options: Any,
) -> pd.Series[Any]:
    """Answers of Python's own numbers, those of enough score."""
    write = _coco if options.as_coco else _plain
    kept = ([box for box in row if box[5] >= options.score_threshold] for row in found)
    return pd.Series([[write(box, classes, ids) for box in row] for row in kept], dtype=object)


def _plain(box: np.ndarray[Any, Any], classes: Sequence[Any], ids: Sequence[int]) -> list[Any]:
    corners = [round(one, 2) for one in box[:4].tolist()]
    return [*corners, classes[int(box[4])], round(float(box[5]), 4)]


def _coco(box: np.ndarray[Any, Any], classes: Sequence[Any], ids: Sequence[int]) -> dict[str, Any]:
    x1, y1, x2, y2 = box[:4].tolist()
    return {
        "bbox": [round(one, 2) for one in (x1, y1, x2 - x1, y2 - y1)],
        "category_id": ids[int(box[4])],
        "score": round(float(box[5]), 4),
    }


def as_shown(boxes: np.ndarray[Any, Any], size: Sequence[float], turn: int) -> np.ndarray[Any, Any]:
    """Boxes [n, 4] of the stored picture, where its pixels lie when it is shown upright.

    Args:
        boxes: x1 y1 x2 y2.
        size: width and height of the picture upright.
        turn: EXIF's orientation, 1..8.
    """
    x1, y1, x2, y2 = boxes.T
    width, height = size
    if turn in (5, 6, 7, 8):  # first row of the file is a side of the picture
        x1, y1, x2, y2 = y1, x1, y2, x2
    if turn in (2, 3, 6, 7):
        x1, x2 = width - x2, width - x1
    if turn in (3, 4, 7, 8):
        y1, y2 = height - y2, height - y1
    return np.stack([x1, y1, x2, y2], axis=1)


def corners_as_shown(
    corners: Sequence[float], size: Sequence[float], turn: int
) -> tuple[float, float, float, float]:
    """The same of one box."""
    x1, y1, x2, y2 = as_shown(np.array([corners], np.float64), size, turn)[0].tolist()
    return x1, y1, x2, y2


def as_stored(
    boxes: np.ndarray[Any, Any], size: Sequence[float], turn: int
) -> np.ndarray[Any, Any]:
    """The way back from :func:`as_shown`; ``size`` is that of the picture upright."""
    x1, y1, x2, y2 = boxes.T
    width, height = size
    if turn in (2, 3, 6, 7):
        x1, x2 = width - x2, width - x1
    if turn in (3, 4, 7, 8):
        y1, y2 = height - y2, height - y1
    if turn in (5, 6, 7, 8):
        x1, y1, x2, y2 = y1, x1, y2, x2
    return np.stack([x1, y1, x2, y2], axis=1)
