"""``canvas``: a picture a row on a canvas of one size, and its mask where its pixels are.

Pillow and numpy, in training too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Self

import numpy as np
from mm_image.api import (
    UnreadableImageError,
    colours_of,
    decode,
    images_of,
    scaled,
    size_and_turn,
)
from PIL import Image

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
from mm_segmentation.augment import Placed, plain, varied
from mm_segmentation.classes import VOID
from mm_segmentation.configs import CanvasConfig
from mm_segmentation.masks import MaskCell
from mm_segmentation.sizes import STEP, usual

_PROBED = 100
"""Training pictures whose sizes say how large the canvas is to be."""


class Canvas(Processor):
    """``pixels`` float32 [B, 3, H, W], scaled as the checkpoint was trained; zeros beside them.

    ``extent`` int64 [B, 2]: width and height of what the picture fills from the upper left (all of
    it where training moved it). ``size`` int64 [B, 2]: width and height of the picture upright; 1
    where there is none.

    Where the targets have ``mask``, a list of :class:`~mm_segmentation.masks.MaskCell`, they get
    ``codes``, int16 [B, H, W]: classes of the canvas's pixels, -1 where nothing is said.
    """

    config: CanvasConfig
    canvas: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __init__(
        self, config: Any, fields: Sequence[Field], checkpoint: Checkpoint | None = None
    ) -> None:
        super().__init__(config, fields, checkpoint)
        if len(self.fields) != 1:
            raise ConfigError(
                f"a mask lies over one picture, not over {len(self.fields)}",
                value=[field.column for field in self.fields],
                remedy="name the column of the pictures: roles={'picture': ...}",
            )

    def fit(self, table: Table) -> None:
        """The canvas from the sizes of the pictures, colours from the checkpoint."""
        trained = {} if self.checkpoint is None else self.checkpoint.details
        self.mean, self.std = colours_of(self.checkpoint)
        asked = self.config.image_size or trained.get("side")
        if asked is None:
            self.canvas = usual(self._sizes(table))
            return
        height, width = (asked, asked) if isinstance(asked, int) else asked
        self.canvas = (int(height), int(width))
        step = trained.get("step", STEP)
        if min(self.canvas) < step or any(one % step for one in self.canvas):
            up = [max(step, -(-one // step) * step) for one in self.canvas]
            raise ConfigError(
                f"image_size = {list(self.canvas)}: sides are multiples of {step}",
                value=self.config.image_size,
                remedy=f"image_size={up}",
            )

    def encode(self, table: Table) -> Encoded:
        """Where the pictures are, after a look at their first bytes."""
        (field,) = self.fields
        cells, bad = images_of(table, field.column)
        present = np.array([cell is not None for cell in cells], dtype=bool)
        return Encoded({"cells": cells}, present, bad=bad)

    def batch(
        self,
        encoded: Encoded,
        rows: np.ndarray[Any, Any],
        augment: np.random.Generator | None = None,
        targets: dict[str, Any] | None = None,
    ) -> InputBatch:
        """Pictures of these rows; with ``augment`` cut, mirrored, coloured, masks with them."""
        n, (height, width) = len(rows), self.canvas
        pixels = np.zeros((n, 3, height, width), np.float32)
        extent = np.tile(np.array([width, height], np.int64), (n, 1))
        size = np.ones((n, 2), np.int64)
        masks: list[MaskCell] | None = (targets or {}).get("mask")
        codes = None if masks is None else np.full((n, height, width), VOID, np.int16)
        present, bad = encoded.present[rows].copy(), []
        # One seed for each row: a cell that cannot be read shifts no other's.
        seeds = None if augment is None else augment.integers(2**63, size=n)
        for place in np.flatnonzero(present):
            cell = encoded.arrays["cells"][int(rows[place])]
            try:
                picture = decode(cell, self.config.max_pixels)
            except UnreadableImageError as error:
                present[place] = False
                bad.append(BadCell(int(rows[place]), cell.column, cell.shown, str(error)))
                continue
            size[place] = picture.size
            mask = None if masks is None else mask_of(masks[place], picture.size)
            placed = self._placed(picture, mask, None if seeds is None else int(seeds[place]))
            (x, y), (h, w) = placed.at, placed.pixels.shape[:2]
            pixels[place, :, y : y + h, x : x + w] = scaled(placed.pixels, self.mean, self.std)
            if seeds is None:
                extent[place] = w, h
            if codes is not None and placed.codes is not None:
                codes[place, y : y + h, x : x + w] = placed.codes
        arrays = {"pixels": pixels, "extent": extent, "size": size}
        moved = targets if codes is None else {**(targets or {}), "codes": codes}
        return InputBatch(arrays, present, bad, moved)

    @property
    def info(self) -> Mapping[str, Any]:
        """``image_size``: height and width of the canvas; ``mean`` and ``std`` of the colours."""
        colours = {"mean": list(self.mean), "std": list(self.std)}
        return {"image_size": list(self.canvas), **colours}

    def state(self) -> State:
        """Plain JSON."""
        return State({"canvas": list(self.canvas), "mean": list(self.mean), "std": list(self.std)})

    @classmethod
    def from_state(cls, config: Any, fields: Sequence[Field], state: State) -> Self:
        """The fitted processor again."""
        processor = cls(config, fields)
        height, width = state.values["canvas"]
        processor.canvas = (int(height), int(width))
        processor.mean = tuple(state.values["mean"])
        processor.std = tuple(state.values["std"])
        return processor

    def _placed(
        self, picture: Image.Image, codes: np.ndarray[Any, Any] | None, seed: int | None
    ) -> Placed:
        if seed is None:
            return plain(picture, codes, self.canvas, self.config.form == "stretch")
        return varied(picture, codes, self.canvas, self.config, seed)

    def _sizes(self, table: Table) -> list[tuple[int, int]]:
        """Widths and heights of some pictures."""
        cells = (cell for cell in self.encode(table).arrays["cells"] if cell is not None)
        sizes = []
        for cell in islice(cells, _PROBED):
            try:
                sizes.append(size_and_turn(cell)[0])
            except UnreadableImageError:  # reported when its row is asked for
                continue
        return sizes


def mask_of(mask: MaskCell, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Codes of a mask, int16 [H, W].

    Args:
        mask: where it is.
        size: width and height of its picture.

    Raises:
        LabelError: it cannot be read, or is not of the picture's size.
    """
    codes = mask.codes()
    if codes.shape[::-1] != tuple(size):
        raise mask.error(
            f"is {codes.shape[1]} x {codes.shape[0]} pixels, and its picture {size[0]} x {size[1]}",
            "give the mask of this picture at its size, upright as viewers show it",
        )
    return codes
