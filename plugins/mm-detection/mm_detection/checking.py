"""What is wrong with labelled pictures, by row. Only the headers of pictures are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd

from mm_core.api import Table
from mm_detection.boxes import Box, BoxError, read_boxes
from mm_detection.dataset import upright_size
from mm_detection.outlines import with_outlines
from mm_detection.writers import columns_of


def checked(table: Table, image: str | None = None, label: str | None = None) -> dict[str, Any]:
    """Counts, and a list of what is wrong.

    Returns:
        ``pictures``, ``empty`` (without boxes), ``classes`` (name -> boxes), ``wrong``: a list of
        ``{"row", "what", "value"}``.
    """
    image, label = columns_of(table.frame, image, label)
    classes: Counter[str] = Counter()
    wrong: list[dict[str, Any]] = []
    empty = 0
    for row, (path, cell) in enumerate(zip(table.frame[image], table.frame[label], strict=True)):
        for what, value in _of_row(table, path, cell, classes):
            wrong.append({"row": row, "what": what, "value": str(value)[:120]})
        empty += cell in ("[]", []) if isinstance(cell, str | list) else 0
    return {
        "pictures": len(table),
        "empty": empty,
        "classes": dict(sorted(classes.items())),
        "wrong": wrong,
    }


def _of_row(table: Table, path: Any, cell: Any, classes: Counter[str]) -> Iterator[tuple[str, Any]]:
    size = None
    if isinstance(path, str):
        size = upright_size(table.folder / path)
        if size is None:
            yield "no such picture, or it cannot be opened", path
    elif pd.api.types.is_scalar(path) and pd.isna(path):
        yield "no picture", path
    repaired: Counter[str] = Counter()
    try:
        boxes = read_boxes(cell, repaired)
    except BoxError as error:
        yield f"label {error}", cell
        return
    classes.update(str(box.name) for box in boxes)
    for what, text in (("swapped", "corners are swapped"), ("empty", "a box has no area")):
        if repaired[what]:
            yield text, cell
    for box in boxes:
        if "mask" in box.more:
            yield from _of_mask(box, size)
    if size is None:
        return
    for box in boxes:
        x1, y1, x2, y2 = box.corners
        if x1 >= size[0] or y1 >= size[1] or x2 <= 0 or y2 <= 0:
            yield "a box lies outside its picture", box.corners
        elif min(x1, y1) < -1 or x2 > size[0] + 1 or y2 > size[1] + 1:
            yield "a box reaches beyond its picture", box.corners


def _of_mask(box: Box, size: tuple[int, int] | None) -> Iterator[tuple[str, Any]]:
    """What instances could not be learned from."""
    repaired: Counter[str] = Counter()
    try:
        for one in with_outlines([box], "", repaired):
            if size is not None and not one.more["mask"].pixels(size).any():
                yield "a mask has no pixel in its picture", box.corners
    except BoxError as error:
        text = str(error)
        yield f"label {text}" if text.startswith("has ") else f"a mask {text}", box.corners
    if repaired["hollow"]:
        yield "a mask has no pixel", box.corners
