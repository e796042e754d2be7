"""Do boxes go where their pixels go? Pictures of one bright box, seen with it and without it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_LEAST_SEEN = 0.4
"""Of the greatest difference: what is less is the edge of a box that was resized."""


@dataclass(frozen=True)
class Drawn:
    """A picture in which one box is bright.

    Attributes:
        width: in pixels.
        height: in pixels.
        box: x1, y1, x2, y2.
    """

    width: int
    height: int
    box: tuple[int, int, int, int]

    def png(self, *, bright: bool) -> bytes:
        """The file, with the box or without it."""
        pixels = np.full((self.height, self.width, 3), 60, np.uint8)
        x1, y1, x2, y2 = self.box
        pixels[y1:y2, x1:x2] = 220 if bright else 60
        rows = b"".join(b"\0" + row.tobytes() for row in pixels)
        head = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def drawn(number: int) -> Drawn:
    """Some picture, wide or high, and a box somewhere in it."""
    rng = np.random.default_rng([11, number])
    width, height = (int(one) for one in rng.integers(90, 220, 2))
    w, h = int(rng.integers(40, width - 20)), int(rng.integers(40, height - 20))
    x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
    return Drawn(width, height, (x, y, x + w, y + h))


def where_seen(
    with_box: Mapping[str, Any], without: Mapping[str, Any], row: int
) -> tuple[np.ndarray[Any, Any] | None, int]:
    """The box as the pixels of two batches tell it, x1 y1 x2 y2, and the longer side of the array.

    Of the arrays whose last axes are height and width the largest is looked at. None: nothing of
    the box is seen in it.
    """
    pixels = [name for name, array in with_box.items() if np.ndim(array) >= 3]
    if not pixels:
        return None, 0
    name = max(pixels, key=lambda one: np.size(with_box[one]))
    first, second = (np.asarray(one[name], np.float64)[row] for one in (with_box, without))
    changed = np.abs(first - second).reshape(-1, *first.shape[-2:]).max(axis=0)
    if changed.max() == 0:
        return None, max(changed.shape)
    y, x = np.nonzero(changed >= _LEAST_SEEN * changed.max())
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], np.float64), max(changed.shape)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checked)
