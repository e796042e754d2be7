"""Image cells to pixel arrays. At evaluation Pillow and numpy only."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from PIL import Image

from mm_core.api import BadCell, Encoded, Field, InputBatch, MMWarning, Processor, State, Table
from mm_image.cells import ImageCell, preview, split_cell
from mm_image.configs import TimmTransformConfig
from mm_image.decode import UnreadableImageError, decode, find_image
from mm_image.preprocessing import Preprocessing
from mm_image.scans import look_like_scans

_AUTO_MOST_IMAGES = 8
"""Images per row at most where the user sets no number: a row costs as many forward passes."""

_PROBED_IMAGES = 32
"""Training images looked at to decide whether they may be mirrored."""


class TimmTransform(Processor):
    """Several images per row, preprocessed as the checkpoint was trained.

    ``encode`` finds the images and looks at their first bytes; ``batch`` decodes the rows asked
    for: ``pixels`` float32 [B, n_images, 3, H, W], zero (the mean colour) where there is no image,
    and ``image_mask`` bool [B, n_images].
    """

    config: TimmTransformConfig
    preprocessing: Preprocessing
    n_images: int
    flip: bool

    def fit(self, table: Table) -> None:
        """Learn the transform from the checkpoint and the images per row from the rows."""
        size = self.config.image_size
        if self.checkpoint is None:
            default = Preprocessing()
            size = size or default.height
            self.preprocessing = Preprocessing(height=size, width=size)
        else:
            self.preprocessing = Preprocessing.from_data_config(
                self.checkpoint.details["data_config"], size
            )
        rows, _ = self._find(table)
        most = max((len(row) for row in rows), default=1)
        self.n_images = self.config.max_images or min(max(most, 1), _AUTO_MOST_IMAGES)
        self.flip = self._choose_flip([cell for row in rows for cell in row])

    def encode(self, table: Table) -> Encoded:
        """Cells [N, n_images] and their mask; nothing is decoded."""
        rows, bad = self._find(table)
        cells = np.full((len(table), self.n_images), None, dtype=object)
        for position, row in enumerate(rows):
            cells[position, : len(row)] = row[: self.n_images]
        mask: np.ndarray = cells.astype(bool)
        self._warn_of_surplus(rows)
        arrays = {"cells": cells, "image_mask": mask}
        return Encoded(arrays=arrays, present=np.any(mask, axis=1), bad=bad)

    def batch(
        self,
        encoded: Encoded,
        rows: np.ndarray,
        augment: np.random.Generator | None = None,
        targets: dict[str, Any] | None = None,
    ) -> InputBatch:
        """Decode and transform the rows at these positions; ``targets`` are not touched."""
        cells = encoded.arrays["cells"][rows]
        mask = encoded.arrays["image_mask"][rows].copy()
        size = (self.preprocessing.height, self.preprocessing.width)
        pixels = np.zeros((*mask.shape, 3, *size), np.float32)
        transform = self._transform(augment, mask.shape)
        bad: list[BadCell] = []
        for slot in zip(*np.nonzero(mask), strict=True):
            cell: ImageCell = cells[slot]
            try:
                image = decode(cell, self.config.max_pixels)
            except UnreadableImageError as error:
                mask[slot] = False
                bad.append(BadCell(int(rows[slot[0]]), cell.column, cell.shown, str(error)))
                continue
            self.preprocessing.normalise(transform(image, slot), out=pixels[slot])
        arrays = {"pixels": pixels, "image_mask": mask}
        return InputBatch(arrays=arrays, present=mask.any(axis=1), bad=bad)

    @property
    def info(self) -> Mapping[str, Any]:
        """``n_images`` per row and ``image_size`` [height, width]."""
        size = [self.preprocessing.height, self.preprocessing.width]
        return {"n_images": self.n_images, "image_size": size}

    def state(self) -> State:
        """Plain JSON."""
        return State(
            values={
                "preprocessing": self.preprocessing.to_json(),
                "n_images": self.n_images,
                "flip": self.flip,
            }
        )

    @classmethod
    def from_state(cls, config: Any, fields: Sequence[Field], state: State) -> Self:
        """The fitted processor again."""
        processor = cls(config, fields)
        processor.preprocessing = Preprocessing.from_json(state.values["preprocessing"])
        processor.n_images = int(state.values["n_images"])
        processor.flip = bool(state.values["flip"])
        return processor

    def _find(self, table: Table) -> tuple[list[list[ImageCell]], list[BadCell]]:
        """The images of each row, columns in order, and those that are named but not there."""
        rows: list[list[ImageCell]] = [[] for _ in range(len(table))]
        bad: list[BadCell] = []
        for field in self.fields:
            if field.column not in table.frame:
                continue
            column = table.frame[field.column]
            values = column.to_numpy(dtype=object)
            seen: dict[str, _Found] = {}  # a file that many rows name is looked at once
            for row in np.flatnonzero(~pd.isna(column).to_numpy()):
                value = values[row]
                found = seen.get(value) if isinstance(value, str) else None
                if found is None:
                    found = _find_in_cell(value, table.folder, field.column)
                    if isinstance(value, str):
                        seen[value] = found
                images, faults = found
                rows[row] += images
                bad += [BadCell(int(row), field.column, *fault) for fault in faults]
        return rows, bad

    def _warn_of_surplus(self, rows: list[list[ImageCell]]) -> None:
        surplus = sum(len(row) > self.n_images for row in rows)
        if surplus:
            columns = ", ".join(repr(field.column) for field in self.fields)
            warnings.warn(
                f"{surplus} row(s) hold more than {self.n_images} image(s) in {columns}; the first "
                f"{self.n_images} are read (set max_images to change that)",
                MMWarning,
                stacklevel=3,
            )

    # ---- pixels ----

    def _transform(
        self, augment: np.random.Generator | None, shape: tuple[int, ...]
    ) -> Callable[[Image.Image, tuple[int, ...]], np.ndarray]:
        """How the image in a slot becomes uint8 [H, W, 3]."""
        if augment is None or self.config.augment == "none":
            return lambda image, slot: self.preprocessing.resize_and_crop(image)
        seeds = augment.integers(2**63, size=shape)  # one each: a bad image shifts no other's
        augmentation = self._augmentation
        return lambda image, slot: augmentation(image, int(seeds[slot]))

    @cached_property
    def _augmentation(self) -> Callable[[Image.Image, int], np.ndarray]:
        from mm_image.augment import WINDOWS, Augmentation  # torchvision: in training only

        window = WINDOWS[self.config.augment](self.preprocessing)
        return Augmentation(window, self.flip, self.preprocessing.fill)

    def _choose_flip(self, cells: list[ImageCell]) -> bool:
        if self.config.flip != "auto":
            return self.config.flip == "horizontal"
        if self.config.augment == "none" or not cells:
            return False
        step = max(len(cells) // _PROBED_IMAGES, 1)
        probes = []
        for cell in cells[::step][:_PROBED_IMAGES]:
            with contextlib.suppress(UnreadableImageError):  # reported where it is read
                probes.append(decode(cell, self.config.max_pixels))
        return not look_like_scans(probes)


_Found = tuple[list[ImageCell], list[tuple[str, str]]]
"""Images, and (value, reason) of each that cannot be found."""


def _find_in_cell(value: Any, folder: Path, column: str) -> _Found:
    images: list[ImageCell] = []
    faults: list[tuple[str, str]] = []
    for part in split_cell(value, folder):
        try:
            images.append(find_image(part, folder, column))
        except UnreadableImageError as error:
            faults.append((preview(part), str(error)))
    return images, faults
