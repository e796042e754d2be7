"""When a label column asks for the task by itself. Light."""

from __future__ import annotations

from mm_core.api import Detection, LabelSample

from mm_boxes.labels import box_list


def detect(sample: LabelSample) -> Detection | None:
    """Claim one column of lists of boxes, of which one at least is not empty."""
    if len(sample.columns) != 1:
        return None
    (column,) = sample.columns
    lists = [box_list(value) for value in column.values]
    found = [boxes for boxes in lists if boxes is not None]
    if len(found) < len(lists) or not any(found):
        return None
    return Detection("detection", 1.0, "every value is a list of [x1, y1, x2, y2, class]")
