"""When a label column asks for the task by itself. Light."""

from __future__ import annotations

from typing import Any

from mm_core.api import Detection, LabelSample
from mm_ner.labels import EntityError, read_entities

_MOST = 0.9
"""Share of the cells that must list entities; the others are told by row when they are read."""


def detect(sample: LabelSample) -> Detection | None:
    """Claim one column whose cells list entities, of which any has one."""
    if len(sample.columns) != 1:
        return None
    (column,) = sample.columns
    sizes = [_size(value) for value in column.values]
    like = [size is not None for size in sizes]
    if not any(sizes) or sum(like) < _MOST * len(like):
        return None
    text = f"{sum(like)} of {len(like)} values list entities: entity_group, start, end"
    return Detection("ner", 0.95, text)


def _size(cell: Any) -> int | None:
    """How many entities; None: it lists none."""
    try:
        return len(read_entities(cell))
    except EntityError:
        return None
