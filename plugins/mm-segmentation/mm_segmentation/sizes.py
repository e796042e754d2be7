"""Pictures on a canvas: where they lie on it, and the canvas that suits a set of them. numpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

STEP = 32
LONGEST = 512
"""Of a canvas that nobody set; more costs by its square, and small things may need it."""

_STRIP = 2**22


def fitting(size: tuple[int, int], canvas: tuple[int, int], stretch: bool) -> tuple[int, int]:
    """Width and height of a picture on a canvas.

    Args:
        size: width and height of the picture.
        canvas: height and width.
        stretch: whether it fills it.
    """
    height, width = canvas
    if stretch:
        return width, height
    scale = min(width / size[0], height / size[1])
    return min(width, max(1, round(size[0] * scale))), min(height, max(1, round(size[1] * scale)))


def usual(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Height and width of a canvas for pictures of these widths and heights."""
    width, height = np.median(np.array(sizes or [(LONGEST, LONGEST)], np.float64), axis=0)
    scale = min(1.0, LONGEST / max(width, height))
    up = [max(STEP, int(np.ceil(round(one * scale) / STEP)) * STEP) for one in (height, width)]
    return up[0], up[1]


def sampled(
    values: np.ndarray[Any, Any], window: tuple[int, int, int, int], size: tuple[int, int]
) -> np.ndarray[Any, Any]:
    """A part of a mask at another size, each pixel from the nearest: no value comes into being.

    Args:
        values: [H, W].
        window: left, upper, width and height of the part.
        size: width and height of what comes of it.
    """
    left, top, w, h = window
    x = left + ((np.arange(size[0]) + 0.5) * w / size[0]).astype(np.int64)
    y = top + ((np.arange(size[1]) + 0.5) * h / size[1]).astype(np.int64)
    return np.asarray(values[y[:, None], x[None, :]])


def strips(values: np.ndarray[Any, Any]) -> Iterator[slice]:
    """Rows of a mask, some four million pixels at a time.

    To count is to copy into numbers of eight bytes: of a picture of 10,000 x 10,000 pixels 800 MB.
    """
    step = max(1, _STRIP // max(1, values.shape[1]))
    return (slice(start, start + step) for start in range(0, len(values), step))
