"""What other distributions may import. No torch until a segmenter is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mm_image.api import mask_to_runs, runs_to_mask

from mm_segmentation.classes import VOID, Classes, MaskError
from mm_segmentation.masks import MaskCell

if TYPE_CHECKING:
    from mm_segmentation.segmenter import Segmenter

__all__ = [
    "VOID",
    "Classes",
    "MaskCell",
    "MaskError",
    "Segmenter",
    "mask_to_runs",
    "runs_to_mask",
]


def __getattr__(name: str) -> Any:
    """What a segmenter is made of, imported with torch when it is first asked for."""
    if name == "Segmenter":
        return importlib.import_module("mm_segmentation.segmenter").Segmenter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
