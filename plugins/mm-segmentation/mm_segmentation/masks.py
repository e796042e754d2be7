"""One mask: from a file, an array or COCO's runs to whole numbers. Pillow and numpy."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from mm_image.api import (
    ImageCell,
    UnreadableImageError,
    find_image,
    preview,
    runs_to_mask,
    split_cell,
)
from PIL import Image

from mm_core.api import LabelError
from mm_segmentation.classes import Classes, MaskError, packed
from mm_segmentation.sizes import strips

_FAULTS = (OSError, SyntaxError, ValueError, EOFError, TypeError, Image.DecompressionBombError)
"""What Pillow and base64 raise on broken files."""


@dataclass(frozen=True, eq=False)
class MaskCell:
    """Where a mask is, read when it is wanted: the masks of a set do not fit into memory.

    Attributes:
        row: position in the table that it is from.
        column: of the label.
        source: of a file, bytes or an array; None: ``runs`` say it.
        runs: COCO's record.
        classes: what its values mean.
    """

    row: int
    column: str
    source: ImageCell | None
    runs: Mapping[str, Any] | None
    classes: Classes | None = None

    @property
    def shown(self) -> str:
        """As errors show it."""
        return "runs" if self.source is None else self.source.shown

    def codes(self) -> np.ndarray[Any, Any]:
        """int16 [H, W]: codes of classes, -1 where nothing is said.

        Raises:
            LabelError: it cannot be read, or has a value that no class has.
        """
        assert self.classes is not None
        try:
            return self.classes.codes(self.raw())
        except MaskError as error:
            raise self.error(str(error), error.remedy) from error

    def values(self) -> tuple[int, ...]:
        """The values that occur in it; a colour 0xRRGGBB is -1 - that.

        Raises:
            LabelError: it cannot be read.
        """
        try:
            return values_of(self)
        except MaskError as error:
            raise self.error(str(error), error.remedy) from error

    def raw(self) -> np.ndarray[Any, Any]:
        """Whole numbers [H, W], or uint8 [H, W, 3] where it is coloured.

        Raises:
            MaskError: it cannot be read.
        """
        if self.source is None:
            try:
                return runs_to_mask(self.runs or {})
            except ValueError as error:
                raise MaskError(str(error)) from error
        return read(self.source)

    def error(self, what: str, remedy: str) -> LabelError:
        """That of this mask."""
        return LabelError(
            f"label {self.column!r}: the mask of row {self.row} ({self.shown}) {what}",
            column=self.column,
            rows=[self.row],
            value=self.shown,
            remedy=remedy,
        )


def find(value: Any, folder: Path, column: str) -> tuple[ImageCell | None, dict[str, Any] | None]:
    """Where the mask of a cell is, after a look at its first bytes; see :class:`MaskCell`.

    Raises:
        MaskError: the cell names none, or several.
    """
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise MaskError(f"{preview(value)!r} is no JSON: {error}") from error
    if isinstance(value, Mapping) and "counts" in value:
        return None, dict(value)
    if isinstance(value, np.ndarray):
        return ImageCell("pixels", value, column, f"an array {list(value.shape)}"), None
    try:
        parts = split_cell(value, folder)
        if len(parts) != 1:
            raise MaskError(f"holds {len(parts)} masks, not one")
        return find_image(parts[0], folder, column), None
    except UnreadableImageError as error:
        raise MaskError(f"({preview(value)}): {error}") from error


def read(cell: ImageCell) -> np.ndarray[Any, Any]:
    """Whole numbers [H, W], or uint8 [H, W, 3]: a palette's indices, not its colours.

    Grey pictures saved with three channels are grey.

    Raises:
        MaskError: it cannot be read, or holds no whole numbers.
    """
    if cell.kind == "pixels" and isinstance(cell.value, np.ndarray):
        return _whole(cell.value)
    try:
        image = _opened(cell)
        if image.mode in ("LA", "PA", "RGBA", "CMYK", "YCbCr", "LAB", "HSV"):
            image = image.convert("L" if image.mode == "LA" else "RGB")
        return _whole(np.asarray(image))
    except MaskError:
        raise
    except _FAULTS as error:
        raise MaskError(f"cannot be read: {error or type(error).__name__}") from error


def size(cell: MaskCell) -> tuple[int, int]:
    """Width and height, from the header where it is a file.

    Raises:
        MaskError: it cannot be read.
    """
    if cell.source is None or cell.source.kind == "pixels":
        height, width = cell.raw().shape[:2]
        return width, height
    try:
        return _opened(cell.source).size
    except _FAULTS as error:
        raise MaskError(f"cannot be read: {error or type(error).__name__}") from error


def values_of(cell: MaskCell) -> tuple[int, ...]:
    """As :meth:`MaskCell.values` has them.

    Raises:
        MaskError: it cannot be read.
    """
    if cell.source is not None and cell.source.kind == "path":
        return _values_of_file(cell.source.value, _changed(cell.source.value))
    return distinct(cell.raw())


def distinct(raw: np.ndarray[Any, Any]) -> tuple[int, ...]:
    """The values of a mask, as :meth:`MaskCell.values` has them."""
    found: set[int] = set()
    for rows in strips(raw):
        part = packed(raw[rows]) if raw.ndim == 3 else raw[rows]
        if part.dtype == np.uint8:
            found.update(np.flatnonzero(np.bincount(part.ravel(), minlength=1)).tolist())
        else:
            found.update(np.unique(part).tolist())
    return tuple(sorted(found))


def _opened(cell: ImageCell) -> Image.Image:
    if cell.kind == "pixels":
        image: Image.Image = cell.value
        return image
    if cell.kind == "path":
        return Image.open(io.BytesIO(Path(cell.value).read_bytes()))
    data = cell.value if cell.kind == "bytes" else base64.b64decode(cell.value)
    return Image.open(io.BytesIO(data))


def _whole(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 3 and array.shape[2] in (3, 4) and array.dtype == np.uint8:
        array = array[:, :, :3]
        grey = (array == array[:, :, :1]).all()
        return np.ascontiguousarray(array[:, :, 0] if grey else array)
    if array.ndim != 2 or not array.size:
        raise MaskError(
            f"has the shape {list(array.shape)}", "a mask is [H, W], or uint8 [H, W, 3]"
        )
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise MaskError(
                "holds NaN or infinity",
                "write a number of its own there, such as 255, and task.ignore=255",
            )
        if (array != np.rint(array)).any():
            raise MaskError(
                "holds numbers with a fraction", "round them, or give classes as whole numbers"
            )
        return array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise MaskError(f"is an array of {array.dtype}", "give whole numbers")
    return array


def _changed(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError as error:
        raise MaskError(f"cannot be read: {error}") from error


@lru_cache(maxsize=65536)
def _values_of_file(path: str, changed: int) -> tuple[int, ...]:
    """Remembered: a fit learns the classes of all rows, and of those that are not held out."""
    return distinct(read(ImageCell("path", path, "", path)))
