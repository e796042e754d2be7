"""The picture of a cell. Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mm_image.api import ImageCell, UnreadableImageError, find_image, split_cell


def one_picture(value: Any, folder: Path, column: str) -> ImageCell | None:
    """Where it is, after a look at its first bytes; None: the cell is missing.

    Args:
        value: the cell.
        folder: where its path starts.
        column: that it is from.

    Raises:
        UnreadableImageError: it is none, or there are several: a mask lies over one.
    """
    parts = split_cell(value, folder)
    if len(parts) > 1:
        raise UnreadableImageError(f"holds {len(parts)} pictures, not one")
    return find_image(parts[0], folder, column) if parts else None
