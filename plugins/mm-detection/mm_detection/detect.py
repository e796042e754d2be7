"""When a label column asks for object detection by itself. Light."""

from __future__ import annotations

from mm_core.api import Detection, LabelSample
from mm_detection.boxes import BoxError, listed, looks_like_boxes

_MOST = 0.9
"""Share of the cells that must be boxes; the others are told by row when they are read."""


def detect(sample: LabelSample) -> Detection | None:
    """Claim one column whose cells are lists of boxes, of which one at least is not empty."""
    if len(sample.columns) != 1:
        return None
    (column,) = sample.columns
    like = [looks_like_boxes(value) for value in column.values]
    if not like or sum(like) < _MOST * len(like):
        return None
    if not any(_some(value) for value, is_like in zip(column.values, like, strict=True) if is_like):
        return None
    text = f"{sum(like)} of {len(like)} values are lists of [x1, y1, x2, y2, class]"
    return Detection("object_detection", 1.0, text)


def _some(cell: object) -> bool:
    try:
        return len(listed(cell)) > 0
    except BoxError:
        return False
