"""Do these images show text or digits, whose mirror image means something else or nothing?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

_NEAR = 40
"""Grey levels from black or white that still count as ink or paper."""

_SHARE = 0.85
"""Receipts and handwritten digits have about 0.9 of their pixels there, photographs under 0.4,
drawings on a white ground about 0.65."""


def look_like_scans(images: Sequence[Image.Image]) -> bool:
    """Whether most of these RGB images are nearly all ink and paper."""
    return bool(images) and float(np.median([_ink_and_paper(i) for i in images])) > _SHARE


def _ink_and_paper(image: Image.Image) -> float:
    pixels = np.asarray(image)
    darkest, brightest = pixels.min(axis=-1), pixels.max(axis=-1)
    return float(((darkest >= 255 - _NEAR) | (brightest <= _NEAR)).mean())
