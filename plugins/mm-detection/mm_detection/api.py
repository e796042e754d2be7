"""What other distributions may import. No torch until a detector is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mm_detection.boxes import Box, BoxError, as_cell, read_boxes
from mm_detection.frames import as_shown, as_stored
from mm_detection.matching import iou, matched

if TYPE_CHECKING:
    from mm_detection.detector import Detector, Drawn, Found, Said, Wanted

__all__ = [
    "Box",
    "BoxError",
    "Detector",
    "Drawn",
    "Found",
    "Said",
    "Wanted",
    "as_cell",
    "as_shown",
    "as_stored",
    "iou",
    "matched",
    "read_boxes",
]


def __getattr__(name: str) -> Any:
    """What a detector is made of, imported with torch when it is first asked for."""
    if name in ("Detector", "Drawn", "Found", "Said", "Wanted"):
        return getattr(importlib.import_module("mm_detection.detector"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
