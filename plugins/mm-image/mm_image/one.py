"""A picture a row, for plugins that find things in it: where it is, colours, windows. Pillow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mm_core.api import BadCell
from mm_image.cells import ImageCell, preview, split_cell
from mm_image.decode import UnreadableImageError, find_image

if TYPE_CHECKING:
    from PIL import Image

    from mm_core.api import Checkpoint, Table

Colours = tuple[float, ...]

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def one_image(value: Any, folder: Path, column: str, why: str = "not one") -> ImageCell | None:
    """Where the picture of a cell is, after a look at its first bytes; None: the cell is missing.

    Args:
        value: the cell.
        folder: where its path starts.
        column: that it is from.
        why: said of a cell with several, after their number.

    Raises:
        UnreadableImageError: it is none, or there are several.
    """
    parts = split_cell(value, folder)
    if len(parts) > 1:
        raise UnreadableImageError(f"holds {len(parts)} pictures, {why}")
    return find_image(parts[0], folder, column) if parts else None


def images_of(
    table: Table, column: str, why: str = "not one"
) -> tuple[list[ImageCell | None], list[BadCell]]:
    """:func:`one_image` of each row, and the cells that have none; without the column all lack."""
    cells: list[ImageCell | None] = [None] * len(table)
    bad: list[BadCell] = []
    if column in table.frame:
        for row, value in enumerate(table.frame[column]):
            try:
                cells[row] = one_image(value, table.folder, column, why)
            except UnreadableImageError as error:
                bad.append(BadCell(row, column, preview(value), str(error)))
    return cells, bad


def colours_of(checkpoint: Checkpoint | None) -> tuple[Colours, Colours]:
    """Mean and spread of the colours that a checkpoint was trained on; ImageNet's if it says none.

    They stand in its details, under ``data_config``.
    """
    details = {} if checkpoint is None else checkpoint.details
    told = details.get("data_config") or {}
    return tuple(told.get("mean") or _IMAGENET[0]), tuple(told.get("std") or _IMAGENET[1])


def scaled(picture: np.ndarray[Any, Any], mean: Colours, std: Colours) -> np.ndarray[Any, Any]:
    """float32 [3, h, w] of uint8 [h, w, 3]."""
    middle, spread = np.array(mean, np.float32), np.array(std, np.float32)
    values = picture * (1 / (255 * spread)) - middle / spread
    return np.asarray(values.transpose(2, 0, 1))


def windows(size: tuple[int, int], side: int, shared: float) -> Iterator[tuple[int, int, int, int]]:
    """Windows that cover a picture: left, upper, right, lower.

    Args:
        size: width and height of the picture.
        side: of a window, in pixels.
        shared: share of its side that a window has in common with the next, at least.
    """
    width, height = size
    for top in _starts(height, side, shared):
        for left in _starts(width, side, shared):
            yield left, top, min(left + side, width), min(top + side, height)


def _starts(length: int, side: int, shared: float) -> list[int]:
    if length <= side:
        return [0]
    count = int(np.ceil((length - side) / (side * (1 - shared)))) + 1
    return [round(one) for one in np.linspace(0, length - side, count)]


def write_images(images: Iterable[tuple[int, Image.Image]], out: str | Path | None) -> list[Any]:
    """Pictures of rows as ``<row>.png`` in a folder, each as it comes.

    Returns:
        The paths of the files; the pictures themselves where ``out`` is None.
    """
    if out is None:
        return [image for _, image in images]
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Any] = []
    for row, image in images:
        file = folder / f"{row:05d}.png"
        image.save(file)
        made.append(str(file))
    return made
