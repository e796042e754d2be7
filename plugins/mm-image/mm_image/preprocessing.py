"""timm's transform at evaluation, in Pillow and numpy.

Equal to ``timm.data.create_transform(**data_config, is_training=False)``. Only for images about 200
times as long as wide the crop is cut out while resizing, which bounds memory and moves single
pixels by a few grey levels (Pillow may then take its two passes in the other order).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from PIL import Image

from mm_core.api import CheckpointError

_RESAMPLE = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}
_WHOLE = 256
"""A resized image of so many times the pixels wanted is still made as a whole."""

_CROP_MODES = ("center", "squash", "border")


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes an array; timm's data config under other names.

    Attributes:
        height: of the array, in pixels.
        width: of the array, in pixels.
        crop_pct: share of the resized image's side that is kept, 0..1.
        crop_mode: ``"center"`` keeps the shape and cuts, ``"squash"`` changes the shape,
            ``"border"`` keeps the shape and pads.
        interpolation: ``"bicubic"``, ``"bilinear"``, ...
        mean: of each channel, 0..1.
        std: of each channel, 0..1.
    """

    height: int = 224
    width: int = 224
    crop_pct: float = 0.875
    crop_mode: str = "center"
    interpolation: str = "bicubic"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        if self.interpolation not in _RESAMPLE or self.crop_mode not in _CROP_MODES:
            raise CheckpointError(
                f"unknown image transform: interpolation {self.interpolation!r}, "
                f"crop mode {self.crop_mode!r}",
                plugin="image:timm_transform",
                remedy=f"known: {', '.join(_RESAMPLE)}; {', '.join(_CROP_MODES)}",
            )

    @classmethod
    def from_data_config(cls, config: Mapping[str, Any], image_size: int | None = None) -> Self:
        """From timm's resolved data config; ``image_size`` replaces its ``input_size``."""
        _, height, width = config["input_size"]
        return cls(
            height=image_size or int(height),
            width=image_size or int(width),
            crop_pct=float(config["crop_pct"]),
            crop_mode=str(config["crop_mode"]),
            interpolation=str(config["interpolation"]),
            mean=_channels(config["mean"]),
            std=_channels(config["std"]),
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """What :meth:`to_json` gave."""
        return cls(**{**values, "mean": _channels(values["mean"]), "std": _channels(values["std"])})

    def to_json(self) -> dict[str, Any]:
        """All settings, as plain lists and numbers."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @property
    def resample(self) -> Image.Resampling:
        """Pillow's name of the interpolation."""
        return _RESAMPLE[self.interpolation]

    @property
    def fill(self) -> tuple[int, int, int]:
        """The mean as a colour, 0..255: what is put where there is no image."""
        red, green, blue = (round(255 * value) for value in self.mean)
        return red, green, blue

    def resize_and_crop(self, image: Image.Image) -> np.ndarray:
        """uint8 [height, width, 3] of an RGB image."""
        rows, columns = self._resized_size(image.height, image.width)
        top, visible_rows = _window(rows, self.height)
        left, visible_columns = _window(columns, self.width)
        x, y = max(left, 0), max(top, 0)
        seen = (x, y, x + visible_columns, y + visible_rows)
        if rows * columns <= _WHOLE * self.height * self.width:
            small = image.resize((columns, rows), self.resample).crop(seen)
        else:
            small = self._resize_window(image, rows, columns, seen)
        pixels = np.asarray(small)
        if pixels.shape[:2] == (self.height, self.width):
            return pixels
        padded = np.empty((self.height, self.width, 3), np.uint8)
        padded[...] = self.fill if self.crop_mode == "border" else 0
        y, x = max(-top, 0), max(-left, 0)
        padded[y : y + visible_rows, x : x + visible_columns] = pixels
        return padded

    def _resize_window(
        self, image: Image.Image, rows: int, columns: int, seen: tuple[int, int, int, int]
    ) -> Image.Image:
        """Resize only what is ``seen`` (left, top, right, bottom) of the resized image."""
        scale_x, scale_y = image.width / columns, image.height / rows
        left, top, right, bottom = seen
        box = (
            left * scale_x,
            top * scale_y,
            min(right * scale_x, image.width),
            min(bottom * scale_y, image.height),
        )
        return image.resize((right - left, bottom - top), self.resample, box=box)

    def normalise(self, pixels: np.ndarray, out: np.ndarray) -> None:
        """Write uint8 ``pixels`` [height, width, 3] into float32 ``out`` [3, height, width]."""
        for channel, values in enumerate(self._levels):
            np.take(values, pixels[..., channel], out=out[channel], mode="clip")

    @cached_property
    def _levels(self) -> np.ndarray:
        """float32 [3, 256]: each grey level normalised, in torchvision's arithmetic."""
        levels = np.arange(256, dtype=np.float32) / np.float32(255)
        mean, std = np.array([self.mean, self.std], dtype=np.float32)[:, :, None]
        normalised: np.ndarray = (levels - mean) / std
        return normalised

    def _resized_size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the whole image before the crop."""
        target = math.floor(self.height / self.crop_pct), math.floor(self.width / self.crop_pct)
        if self.crop_mode == "squash":
            return target
        if self.crop_mode == "center" and target[0] == target[1]:
            side = target[0]
            if width <= height:
                return int(side * height / width), side
            return side, int(side * width / height)
        ratios = height / target[0], width / target[1]
        ratio = max(ratios) if self.crop_mode == "border" else min(ratios)
        return max(round(height / ratio), 1), max(round(width / ratio), 1)


def _window(have: int, want: int) -> tuple[int, int]:
    """Where a crop of ``want`` pixels begins, negative where it is padded, and how many it sees."""
    if have >= want:
        return round((have - want) / 2), want
    return -((want - have) // 2), have


def _channels(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
