"""Labels that are masks. Light: no imaging library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mm_core.api import Detection, LabelSample

_PNG = b"\x89PNG\r\n\x1a\n"
_OTHERS = (b"BM", b"II*\x00", b"MM\x00*", b"GIF8", b"RIFF")


def detect(sample: LabelSample) -> Detection | None:
    """Files that are pictures, arrays, or COCO's runs, in the one label column."""
    if len(sample.columns) != 1:
        return None
    (column,) = sample.columns
    cells = column.values
    if not cells:
        return None
    if all(map(_is_array, cells)):
        return Detection("semantic_segmentation", 0.95, "arrays [H, W]")
    if all(map(_is_runs, cells)):
        return Detection("semantic_segmentation", 0.95, "COCO's runs")
    heads = [head for head in (column.peek(one) for one in cells[:20]) if head]
    if heads and all(head.startswith((_PNG, *_OTHERS)) for head in heads):
        return Detection("semantic_segmentation", 0.95, "files that are pictures: masks")
    return None


def _is_array(cell: Any) -> bool:
    return len(getattr(cell, "shape", ())) in (2, 3)


def _is_runs(cell: Any) -> bool:
    if isinstance(cell, str) and cell.lstrip().startswith("{"):
        try:
            cell = json.loads(cell)
        except ValueError:
            return False
    return isinstance(cell, Mapping) and {"size", "counts"} <= set(cell)
