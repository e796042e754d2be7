"""Label cells -> boxes. Light: standard library only."""

from __future__ import annotations

import json
import math
from typing import Any

Box = tuple[float, float, float, float, Any]
"""x1, y1, x2, y2 in pixels of the picture, and a class: a text or an integer."""


def box_list(cell: Any) -> list[Box] | None:
    """The boxes of a cell, a list or JSON of one, empty where there are none; None: no such."""
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError:
            return None
    cell = cell.tolist() if hasattr(cell, "tolist") else cell
    if not isinstance(cell, list | tuple):
        return None
    boxes = [_box(one) for one in cell]
    return None if None in boxes else [box for box in boxes if box is not None]


def _box(value: Any) -> Box | None:
    value = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(value, list | tuple) or len(value) != 5:
        return None
    *corners, name = value
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in corners):
        return None
    if isinstance(name, bool) or not isinstance(name, str | int):
        return None
    x1, y1, x2, y2 = map(float, corners)
    return (x1, y1, x2, y2, name) if x1 < x2 and y1 < y2 else None
