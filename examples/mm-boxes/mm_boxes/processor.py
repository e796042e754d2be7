"""``letterbox``: a picture in a square, and boxes where its pixels are. Pillow and numpy."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from mm_core.api import (
    BadCell,
    Checkpoint,
    ConfigError,
    Encoded,
    Field,
    InputBatch,
    Processor,
    State,
    Table,
)
from PIL import Image, ImageOps

from mm_boxes.configs import LetterboxConfig

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])

UNREADABLE = (OSError, ValueError, SyntaxError, TypeError, EOFError, Image.DecompressionBombError)
"""What Pillow and base64 raise on what is no picture."""


class Letterbox(Processor):
    """``pixels`` float32 [B, 3, S, S]: the picture in the upper left, zeros beside or below it.

    ``meta``: ``size`` float32 [B, 2], width and height of the picture; ``scale`` float32 [B, 2],
    what x and y were multiplied by. Both are 1 where there is no picture.

    The target ``boxes``, a list of float32 [n, 4], moves along, whether it is trained or validated:
    from pixels of the picture to those of the square.
    """

    config: LetterboxConfig

    def __init__(
        self, config: Any, fields: Sequence[Field], checkpoint: Checkpoint | None = None
    ) -> None:
        super().__init__(config, fields, checkpoint)
        if len(self.fields) != 1:
            raise ConfigError(
                f"boxes lie in one picture, not in {len(self.fields)}",
                value=[field.column for field in self.fields],
                remedy="name the column of the pictures",
            )
        self.mean, self.std = IMAGENET

    def fit(self, table: Table) -> None:
        """Colours are scaled as the checkpoint had them; nothing is learned from rows."""
        if self.checkpoint is not None:
            trained = self.checkpoint.details["data_config"]
            self.mean, self.std = list(trained["mean"]), list(trained["std"])

    def encode(self, table: Table) -> Encoded:
        """Where the pictures are; they are opened when a batch is made."""
        (field,) = self.fields
        column = table.frame[field.column]
        blank = [isinstance(cell, str) and not cell.strip() for cell in column]
        missing = column.isna().to_numpy() | np.array(blank, dtype=bool)
        cells: list[Any] = [
            None if gone else _source(cell, field.kind, table.folder)
            for cell, gone in zip(column, missing, strict=True)
        ]
        shown = [f"{len(cell)} bytes" if isinstance(cell, bytes) else str(cell) for cell in column]
        bad = [
            BadCell(row, field.column, shown[row], "no path, bytes or base64 of a picture")
            for row in np.flatnonzero(~missing).tolist()
            if cells[row] is None
        ]
        present = np.array([cell is not None for cell in cells], dtype=bool)
        return Encoded({"cells": cells, "shown": shown}, present, bad=bad)

    def batch(
        self,
        encoded: Encoded,
        rows: np.ndarray,
        augment: np.random.Generator | None = None,
        targets: dict[str, Any] | None = None,
    ) -> InputBatch:
        """Pictures of these rows; with ``augment`` some are mirrored, their boxes too."""
        side, n = self.config.image_size, len(rows)
        pixels = np.zeros((n, 3, side, side), dtype=np.float32)
        present, bad = encoded.present[rows].copy(), []
        size, scale = np.ones((n, 2), np.float32), np.ones((n, 2), np.float32)
        mirrored = np.zeros(n, dtype=bool)
        if augment is not None and self.config.flip:
            mirrored = augment.random(n) < 0.5  # one for each row: a bad cell shifts no other's
        for place in np.flatnonzero(present):
            row = int(rows[place])
            try:
                picture = _opened(encoded.arrays["cells"][row])
            except UNREADABLE as error:
                reason, shown = f"cannot be read: {error}"[:120], encoded.arrays["shown"][row]
                bad.append(BadCell(row, self.fields[0].column, shown, reason))
                present[place] = False
                continue
            small = _fitted(picture, side)
            size[place] = picture.size
            scale[place] = np.divide(small.size, picture.size)
            drawn = ImageOps.mirror(small) if mirrored[place] else small
            pixels[place, :, : small.height, : small.width] = self._scaled(drawn)
        if targets and "boxes" in targets:
            moved = [
                _moved(boxes, *where)
                for boxes, *where in zip(targets["boxes"], size, scale, mirrored, strict=True)
            ]
            targets = {**targets, "boxes": moved}
        meta = {"size": size, "scale": scale}
        return InputBatch({"pixels": pixels}, present, bad, targets, meta)

    @property
    def info(self) -> Mapping[str, Any]:
        """``image_size``, side of the square."""
        return {"image_size": self.config.image_size}

    def state(self) -> State:
        """How colours are scaled."""
        return State({"mean": self.mean, "std": self.std})

    @classmethod
    def from_state(cls, config: Any, fields: Sequence[Field], state: State) -> Self:
        """The fitted processor again."""
        processor = cls(config, fields)
        processor.mean, processor.std = state.values["mean"], state.values["std"]
        return processor

    def _scaled(self, picture: Image.Image) -> np.ndarray:
        values = np.asarray(picture, dtype=np.float32) / 255
        scaled = (values - np.float32(self.mean)) / np.float32(self.std)
        return np.asarray(scaled.transpose(2, 0, 1))


def _moved(boxes: np.ndarray, size: np.ndarray, scale: np.ndarray, mirrored: bool) -> np.ndarray:
    """Boxes [n, 4] of the picture as they lie in the square."""
    x1, y1, x2, y2 = boxes.T
    if mirrored:
        x1, x2 = size[0] - x2, size[0] - x1
    moved = np.stack([x1, y1, x2, y2], axis=1) * np.tile(scale, 2)
    return moved.astype(np.float32)


def _source(cell: Any, kind: str, folder: Path) -> Path | bytes | None:
    """Where the picture is; None: a cell of no known form."""
    if isinstance(cell, bytes):
        return cell
    if not isinstance(cell, str | Path):
        return None
    if kind != "base64":
        return folder / cell
    try:
        return base64.b64decode(str(cell).rpartition("base64,")[2])
    except ValueError:
        return None


def _opened(source: Path | bytes) -> Image.Image:
    """Upright, in RGB."""
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def _fitted(picture: Image.Image, side: int) -> Image.Image:
    """As large as the square can hold."""
    factor = side / max(picture.size)
    width, height = (max(1, round(one * factor)) for one in picture.size)
    return picture.resize((width, height), Image.Resampling.BILINEAR)
