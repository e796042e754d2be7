"""When a label column asks for the task by itself. Light."""

from __future__ import annotations

from mm_core.api import Detection, LabelSample

from mm_spans.labels import read_entities


def detect(sample: LabelSample) -> Detection | None:
    """Claim one column of lists of entities, of which any has one."""
    if len(sample.columns) != 1:
        return None
    cells = [read_entities(value) for value in sample.columns[0].values]
    if None in cells or not any(cells):
        return None
    return Detection("tagging", 0.95, "every value lists entities: entity_group, start, end")
