"""Texts without a word, pictures without a part."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

MOST_WORDS = 48
"""Parts of a text, at most: of longer texts a part is several words."""

GRID = 4
"""Parts of a picture in each direction."""

LONGEST = 1024
"""Pixels of the longer side of a picture that is cut up: networks see fewer."""

PICTURES = ("path", "bytes", "base64")
"""Kinds of columns of pictures."""

MOST_PIXELS = 100_000_000
"""Of a picture that is opened."""


@dataclass(frozen=True)
class RowParts:
    """A cell with each of its parts left out.

    Attributes:
        level: what they are: ``"word"`` or ``"region"``.
        names: of the parts.
        cells: for each, the cell without it.
    """

    level: str
    names: list[str]
    cells: list[Any]


def text_words(column: str, cell: Any) -> RowParts | None:
    """A text without each of its words; None: there is no text."""
    if not isinstance(cell, str):
        return None
    words = list(re.finditer(r"\S+", cell))
    if not words:
        return None
    step = -(-len(words) // MOST_WORDS)
    names, cells = [], []
    for start in range(0, len(words), step):
        first, last = words[start].start(), words[min(start + step, len(words)) - 1].end()
        names.append(f"{column}: {first}: {cell[first:last]}")
        cells.append(cell[:first] + cell[last:])
    return RowParts("word", names, cells)


def picture_regions(column: str, cell: Any, folder: Path) -> RowParts | None:
    """A picture with each part of a grid in its mean colour; None: no single picture."""
    picture = opened(cell, folder)
    if picture is None:
        return None
    picture.thumbnail((LONGEST, LONGEST))
    pixels = np.asarray(picture)
    mean = pixels.reshape(-1, 3).mean(axis=0).astype(np.uint8)
    names, cells = [], []
    for down in range(GRID):
        for across in range(GRID):
            x0, x1, y0, y1 = (one / GRID for one in (across, across + 1, down, down + 1))
            height, width = pixels.shape[:2]
            changed = pixels.copy()
            changed[
                round(y0 * height) : round(y1 * height), round(x0 * width) : round(x1 * width)
            ] = mean
            names.append(f"{column}: {x0:g},{y0:g},{x1:g},{y1:g}")
            cells.append(as_png(Image.fromarray(changed)))
    return RowParts("region", names, cells)


def opened(cell: Any, folder: Path) -> Image.Image | None:
    """The picture of a cell, as models of mm-image see it; None: there is none, or several, or it
    cannot be read.
    """
    try:
        # Only here: models without pictures need no mm-image, which brings torch.
        from mm_image.api import UnreadableImageError, decode, find_image, split_cell
    except ImportError:
        return None
    parts = split_cell(cell, folder)
    if len(parts) != 1:
        return None
    try:
        return decode(find_image(parts[0], folder, ""), MOST_PIXELS)
    except UnreadableImageError:
        return None


def as_address(picture: Image.Image, longest: int, quality: int) -> str:
    """The picture as the ``data:`` address of a JPEG; it is made smaller in place.

    Args:
        picture: RGB.
        longest: pixels of its longer side, at most.
        quality: of the JPEG.
    """
    picture.thumbnail((longest, longest))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def as_png(picture: Image.Image) -> bytes:
    """The picture as the bytes of a file."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
