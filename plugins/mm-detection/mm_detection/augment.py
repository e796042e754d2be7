"""Augmentation in training by torchvision's transforms (v2), boxes with the pixels. Heavy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from mm_detection.configs import LetterboxConfig
from mm_detection.letterbox import Placed, fitting
from mm_detection.outlines import Move

_SCALES = {"none": (1.0, 1.0), "light": (0.8, 1.25), "strong": (0.4, 1.6)}
"""Size of the picture against that at prediction; 0.1 to 2 is large-scale jitter
(arXiv 2012.07177), too much for a few hundred pictures."""

_COLOURS = {"light": (0.2, 0.2, 0.2, 0.02), "strong": (0.4, 0.4, 0.4, 0.05)}
"""Brightness, contrast, saturation, hue."""

_SEEN = 0.3
"""Share of a box that a crop has to leave of it; of less, what it is can hardly be told."""

_TURNED = 0.5


class Augmentation:
    """A random variant of a picture in the square, and its boxes."""

    def __init__(self, config: LetterboxConfig, side: int, stretch: bool) -> None:
        self._flip = config.flip
        self._scales = _SCALES[config.augment]
        self._side = side
        self._stretch = stretch
        colours = _COLOURS.get(config.augment)
        self._colours = None if colours is None else v2.ColorJitter(*colours)

    def __call__(self, picture: Image.Image, boxes: np.ndarray[Any, Any], seed: int) -> Placed:
        """The same for the same ``seed``; torch's own state is untouched.

        Args:
            picture: RGB.
            boxes: float [n, 4], x1 y1 x2 y2 in its pixels.
            seed: of everything that is drawn.
        """
        rng = np.random.default_rng(seed)
        width, height = picture.size
        flipped = self._flip and rng.random() < _TURNED
        if flipped:
            picture = functional.horizontal_flip(picture)
        factor = float(np.exp(rng.uniform(*np.log(self._scales))))
        scale = np.divide(fitting(picture.size, self._side, self._stretch), picture.size) * factor
        # The part of the picture that the square holds at this scale, somewhere in it.
        window = np.minimum(np.ceil(self._side / scale), picture.size).astype(int)
        left, top = (int(rng.integers(0, most + 1)) for most in np.subtract(picture.size, window))
        w, h = (int(one) for one in np.clip(np.rint(window * scale), 1, self._side))
        cut = (top, left, int(window[1]), int(window[0]), [h, w])
        small = functional.resized_crop(picture, *cut, antialias=True)
        at = [int(rng.integers(0, self._side - one + 1)) for one in (w, h)]
        x, y = np.divide([w, h], window).tolist()
        shift = ((width * flipped - left) * x + at[0], at[1] - top * y)
        move = Move((-x if flipped else x, y), shift)
        there = np.clip(np.asarray(boxes, np.float64), 0, [width, height] * 2)
        if flipped:
            there = np.array([width, 0, width, 0]) + there[:, [2, 1, 0, 3]] * [-1, 1, -1, 1]
        # In float32, as torchvision scales boxes: fits of before are the same again.
        there = (there - [left, top] * 2) * np.array([x, y, x, y], np.float32)
        placed = np.clip(there, 0, [w, h] * 2)
        seen = _areas(placed) >= np.maximum(_SEEN * _areas(there), 1e-9)
        placed = placed + at * 2
        return Placed(self._coloured(small, rng), (at[0], at[1]), placed, seen, scale, move)

    def _coloured(self, picture: Image.Image, rng: np.random.Generator) -> np.ndarray[Any, Any]:
        if self._colours is None:
            return np.asarray(picture)
        with torch.random.fork_rng(devices=[]):  # it draws from torch's own generator
            torch.default_generator.manual_seed(int(rng.integers(2**63)))
            return np.asarray(self._colours(picture))


def _areas(boxes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
