"""``letterbox``: a picture in a square, and boxes and masks where its pixels are.

At evaluation Pillow and numpy only; training asks torchvision's transforms.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

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
    LabelError,
    MMWarning,
    Processor,
    State,
    Table,
)
from mm_detection.boxes import BoxError
from mm_detection.configs import LetterboxConfig
from mm_detection.frames import UPRIGHT, as_shown
from mm_detection.outlines import Move, Outline

if TYPE_CHECKING:
    from mm_detection.augment import Augmentation

SIDE = 320

MOVED = ("boxes", "classes", "ignore", "outlines", "masks")
"""Targets with an entry for each box of a picture."""


@dataclass
class Placed:
    """A picture in the square.

    Attributes:
        pixels: uint8 [h, w, 3], at the upper left corner ``at``.
        at: x and y in the square.
        boxes: float [n, 4], in pixels of the square.
        kept: bool [n], boxes of which enough is seen.
        scale: what x and y of the picture were multiplied by.
        move: where its points lie in the square.
    """

    pixels: np.ndarray[Any, Any]
    at: tuple[int, int]
    boxes: np.ndarray[Any, Any]
    kept: np.ndarray[Any, Any]
    scale: np.ndarray[Any, Any]
    move: Move

    @property
    def window(self) -> tuple[int, int, int, int]:
        """Left, upper, right, lower of what the picture fills of the square."""
        (x, y), (height, width) = self.at, self.pixels.shape[:2]
        return x, y, x + width, y + height


class Letterbox(Processor):
    """``pixels`` float32 [B, 3, S, S], scaled as the checkpoint was trained; zeros beside it.

    ``extent`` int64 [B, 2]: width and height of the square that the picture fills from the upper
    left (all of it where training moved it).

    ``meta``: ``size`` float32 [B, 2], width and height of the picture upright; ``scale`` float32
    [B, 2], what x and y were multiplied by; ``turn`` int64 [B], EXIF's number where boxes are given
    as the pixels are stored, else 1. All are 1 where there is no picture.

    The target ``boxes``, a list of float32 [n, 4], moves along, whether it is trained or validated:
    from pixels of the picture to those of the square. Boxes that no pixel of the picture lies in,
    or of which a random crop leaves too little, are left out, with their ``classes`` and
    ``ignore``. Where there are ``outlines``, lists of :class:`~mm_detection.outlines.Outline`,
    there are ``masks`` then, uint8 [n, S, S] a row, and what has no pixel in it is left out too.
    """

    config: LetterboxConfig
    side: int
    stretch: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __init__(
        self, config: Any, fields: Sequence[Field], checkpoint: Checkpoint | None = None
    ) -> None:
        super().__init__(config, fields, checkpoint)
        if len(self.fields) != 1:
            raise ConfigError(
                f"boxes lie in one picture, not in {len(self.fields)}",
                value=[field.column for field in self.fields],
                remedy="name the column of the pictures: roles={'picture': ...}",
            )

    def fit(self, table: Table) -> None:
        """Size and colours are the checkpoint's; nothing is learned from rows."""
        trained = {} if self.checkpoint is None else self.checkpoint.details
        self.side = self.config.image_size or int(trained.get("side") or SIDE)
        form = self.config.form
        self.stretch = bool(trained.get("stretch")) if form == "auto" else form == "stretch"
        self.mean, self.std = colours_of(self.checkpoint)

    def encode(self, table: Table) -> Encoded:
        """Where the pictures are, after a look at their first bytes."""
        (field,) = self.fields
        cells, bad = images_of(table, field.column, "boxes lie in one")
        present = np.array([cell is not None for cell in cells], dtype=bool)
        return Encoded({"cells": cells, "told": []}, present, bad=bad)

    def batch(
        self,
        encoded: Encoded,
        rows: np.ndarray[Any, Any],
        augment: np.random.Generator | None = None,
        targets: dict[str, Any] | None = None,
    ) -> InputBatch:
        """Pictures of these rows; with ``augment`` moved, mirrored, coloured, boxes with them."""
        n, side = len(rows), self.side
        pixels = np.zeros((n, 3, side, side), dtype=np.float32)
        extent = np.full((n, 2), side, np.int64)
        size, scale = np.ones((n, 2), np.float32), np.ones((n, 2), np.float32)
        turn = np.full(n, UPRIGHT, np.int64)
        present, bad = encoded.present[rows].copy(), []
        given = (targets or {}).get("boxes")
        moved = [np.zeros((0, 4), np.float32)] * n if given is None else list(given)
        kept = [np.ones(len(one), dtype=bool) for one in moved]
        outlines: list[list[Outline]] | None = (targets or {}).get("outlines")
        masks = [np.zeros((len(one), side, side), np.uint8) for one in outlines or ()]
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
            boxes = np.asarray(moved[place], np.float64).reshape(-1, 4)
            if self.config.exif == "stored":
                turn[place] = size_and_turn(cell)[1]
                boxes = as_shown(boxes, picture.size, int(turn[place]))
            _tell_of_outside(encoded, boxes, picture.size)
            if seeds is None:
                placed = self._fitted(picture, boxes)
                extent[place] = placed.pixels.shape[1::-1]
            else:
                placed = self._augmentation(picture, boxes, int(seeds[place]))
            scale[place] = placed.scale
            left, top, right, bottom = placed.window
            pixels[place, :, top:bottom, left:right] = scaled(placed.pixels, self.mean, self.std)
            moved[place], kept[place] = placed.boxes.astype(np.float32), placed.kept
            if outlines is not None:
                shown = cell.shown, picture.size, int(turn[place])
                _draw(masks[place], outlines[place], placed, *shown)
                kept[place] = kept[place] & masks[place].any(axis=(1, 2))
        arrays = {"pixels": pixels, "extent": extent}
        if given is not None:
            targets = {**(targets or {}), "boxes": moved}
            if outlines is not None:
                targets["masks"] = masks
            targets |= {name: _taken(targets[name], kept) for name in MOVED if name in targets}
            if augment is not None and self.config.mosaic:
                targets = mosaic(pixels, present, targets, self.config.mosaic, augment)
        meta = {"size": size, "scale": scale, "turn": turn}
        return InputBatch(arrays, present, bad, targets, meta)

    @property
    def info(self) -> Mapping[str, Any]:
        """``image_size``, side of the square; ``stretch``, whether pictures fill it; ``mean`` and
        ``std`` of the colours."""
        colours = {"mean": list(self.mean), "std": list(self.std)}
        return {"image_size": self.side, "stretch": self.stretch, **colours}

    def state(self) -> State:
        """Plain JSON."""
        return State(
            {
                "side": self.side,
                "stretch": self.stretch,
                "mean": list(self.mean),
                "std": list(self.std),
            }
        )

    @classmethod
    def from_state(cls, config: Any, fields: Sequence[Field], state: State) -> Self:
        """The fitted processor again."""
        processor = cls(config, fields)
        processor.side = int(state.values["side"])
        processor.stretch = bool(state.values["stretch"])
        processor.mean = tuple(state.values["mean"])
        processor.std = tuple(state.values["std"])
        return processor

    @cached_property
    def _augmentation(self) -> Augmentation:
        from mm_detection.augment import Augmentation  # torchvision: in training only

        return Augmentation(self.config, self.side, self.stretch)

    def _fitted(self, picture: Image.Image, boxes: np.ndarray[Any, Any]) -> Placed:
        """As large as the square can hold, in its upper left."""
        width, height = fitting(picture.size, self.side, self.stretch)
        small = picture.resize((width, height), Image.Resampling.BILINEAR)
        scale = np.divide(small.size, picture.size)
        where = np.clip(boxes * np.tile(scale, 2), 0, np.tile(small.size, 2))
        kept = (where[:, :2] < where[:, 2:]).all(axis=1)
        move = Move((float(scale[0]), float(scale[1])))
        return Placed(np.asarray(small), (0, 0), where, kept, scale, move)


def _draw(
    masks: np.ndarray[Any, Any],
    outlines: Sequence[Outline],
    placed: Placed,
    shown: str,
    size: tuple[int, int],
    turn: int,
) -> None:
    """Each thing of a picture into its square; ``masks`` uint8 [n, S, S] in place.

    Raises:
        LabelError: a mask is of a picture of another size.
    """
    for place, outline in enumerate(outlines):
        try:
            upright = outline if turn == UPRIGHT else outline.shown(size, turn)
            masks[place] = upright.moved(placed.move, placed.window, masks.shape[-1], size)
        except BoxError as error:
            raise LabelError(
                f"label {outline.label!r}: the mask of {outline.what} in {shown} {error}",
                column=outline.label,
                value=outline.what,
                remedy="give the mask of this picture at its size, upright as viewers show it; "
                "`mm detection check DATA` lists such rows",
            ) from error


def _tell_of_outside(encoded: Encoded, boxes: np.ndarray[Any, Any], size: tuple[int, int]) -> None:
    """Warn once of boxes beyond their picture: only here it is known how large that is."""
    beyond = ((boxes < -1) | (boxes > np.add(np.tile(size, 2), 1))).any(axis=1)
    if beyond.any() and not encoded.arrays["told"]:
        encoded.arrays["told"].append(True)
        warnings.warn(
            f"box(es) reach beyond their picture (of {size[0]} x {size[1]} pixels, the first): "
            "they are cut at its border, and left out where nothing is left of them; "
            "`mm detection check DATA` counts and lists them",
            MMWarning,
            stacklevel=3,
        )


def fitting(size: tuple[int, int], side: int, stretch: bool) -> tuple[int, int]:
    """Width and height of a picture in the square."""
    if stretch:
        return side, side
    width, height = (max(1, round(one * side / max(size))) for one in size)
    return width, height


def mosaic(
    pixels: np.ndarray[Any, Any],
    present: np.ndarray[Any, Any],
    targets: dict[str, Any],
    share: float,
    augment: np.random.Generator,
) -> dict[str, Any]:
    """Replace some squares by four of the batch at half their size; ``pixels`` in place.

    Returns:
        The targets of what is seen then.
    """
    there = np.flatnonzero(present)
    if len(there) < 4:
        return targets
    half = pixels.shape[-1] // 2
    small = pixels.reshape(len(pixels), 3, half, 2, half, 2).mean(axis=(3, 5))
    names = [name for name in MOVED if name in targets]
    made = {**targets, **{name: list(targets[name]) for name in names}}
    for place in there[augment.random(len(there)) < share]:
        parts = augment.choice(there, 4, replace=False)
        parts[0] = place
        for quarter, part in enumerate(parts):
            x, y = half * (quarter % 2), half * (quarter // 2)
            pixels[place, :, y : y + half, x : x + half] = small[part]
        shifts = [half * np.float32([q % 2, q // 2] * 2) for q in range(4)]
        made["boxes"][place] = np.concatenate(
            [targets["boxes"][part] / 2 + by for part, by in zip(parts, shifts, strict=True)]
        )
        for name in names[1:]:
            made[name][place] = _of_four([targets[name][part] for part in parts], name)
    return made


def _of_four(parts: Sequence[Any], name: str) -> Any:
    """What is said of four pictures, of the one that they make."""
    if name == "outlines":  # of the pictures as they were given
        return [one for part in parts for one in part]
    if name != "masks":
        return np.concatenate(parts)
    half = parts[0].shape[-1] // 2
    small = [part[:, ::2, ::2] for part in parts]
    made = np.zeros((sum(map(len, parts)), 2 * half, 2 * half), np.uint8)
    start = 0
    for quarter, part in enumerate(small):
        x, y = half * (quarter % 2), half * (quarter // 2)
        made[start : start + len(part), y : y + half, x : x + half] = part
        start += len(part)
    return made


def _taken(values: Sequence[Any], kept: Sequence[np.ndarray[Any, Any]]) -> list[Any]:
    return [
        value[keep] if isinstance(value, np.ndarray) else [value[i] for i in np.flatnonzero(keep)]
        for value, keep in zip(values, kept, strict=True)
    ]
