"""Augmentation in training: picture and mask by the same cut, mirror and turn. Pillow and numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from mm_segmentation.configs import CanvasConfig
from mm_segmentation.sizes import fitting, sampled

_SCALES = {"none": (1.0, 1.0), "light": (0.8, 1.25), "strong": (0.5, 2.0)}
"""Size of the picture against that at prediction."""

_COLOURS = {"none": (0.0, 0.0, 0.0), "light": (0.2, 0.2, 0.2), "strong": (0.4, 0.4, 0.4)}
"""Brightness, contrast and saturation: a factor from 1 - this to 1 + this."""

_ENHANCERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


@dataclass
class Placed:
    """A picture on the canvas.

    Attributes:
        pixels: uint8 [h, w, 3].
        codes: int16 [h, w]; None: no mask.
        at: x and y of its upper left corner on the canvas.
    """

    pixels: np.ndarray[Any, Any]
    codes: np.ndarray[Any, Any] | None
    at: tuple[int, int] = (0, 0)


def plain(
    picture: Image.Image,
    codes: np.ndarray[Any, Any] | None,
    canvas: tuple[int, int],
    stretch: bool,
) -> Placed:
    """As at prediction: as large as the canvas can hold, in its upper left."""
    size = fitting(picture.size, canvas, stretch)
    small = picture if size == picture.size else picture.resize(size, Image.Resampling.BILINEAR)
    whole = (0, 0, *picture.size)
    return Placed(np.asarray(small), None if codes is None else sampled(codes, whole, size))


def varied(
    picture: Image.Image,
    codes: np.ndarray[Any, Any] | None,
    canvas: tuple[int, int],
    config: CanvasConfig,
    seed: int,
) -> Placed:
    """A random variant, the same for the same ``seed``.

    Args:
        picture: RGB.
        codes: int16 [H, W] of its pixels, or None.
        canvas: height and width.
        config: what may happen.
        seed: of everything that is drawn.
    """
    rng = np.random.default_rng(seed)
    if config.flip and rng.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        codes = None if codes is None else codes[:, ::-1]
    turns = int(rng.integers(4)) if config.upside_down else 0
    if turns:
        picture = Image.fromarray(np.ascontiguousarray(np.rot90(np.asarray(picture), turns)))
        codes = None if codes is None else np.rot90(codes, turns)
    size = np.array(picture.size)
    factor = float(np.exp(rng.uniform(*np.log(_SCALES[config.augment]))))
    scale = np.array(fitting(picture.size, canvas, config.form == "stretch")) / size * factor
    # The part of the picture that the canvas holds at this scale, somewhere in it.
    room = np.array(canvas[::-1])
    window = np.clip(np.ceil(room / scale), 1, size).astype(int)
    left, top = (int(rng.integers(0, most + 1)) for most in size - window)
    w, h = (int(one) for one in np.clip(np.rint(window * scale), 1, room))
    box = (left, top, left + int(window[0]), top + int(window[1]))
    small = picture.resize((w, h), Image.Resampling.BILINEAR, box=box)
    still = config.augment == "none"  # a picture is then the same in each epoch, and may be kept
    at = tuple(0 if still else int(rng.integers(0, most + 1)) for most in room - (w, h))
    for enhancer, most in zip(_ENHANCERS, _COLOURS[config.augment], strict=True):
        if most:
            small = enhancer(small).enhance(float(rng.uniform(1 - most, 1 + most)))
    moved = None
    if codes is not None:
        moved = sampled(codes, (left, top, int(window[0]), int(window[1])), (w, h))
    return Placed(np.asarray(small), moved, (at[0], at[1]))
