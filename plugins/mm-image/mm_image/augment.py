"""Augmentation in training. Heavy: imports torch and torchvision.

All of it mirrors images and gives each one TrivialAugment (arXiv 2103.10158): a change of colour or
shape, drawn with its strength. What is seen of the image before that differs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, v2

from mm_image.preprocessing import Preprocessing

Window = Callable[[Image.Image], Image.Image]
"""An image of any size -> what is seen of it, in the network's size; draws from torch."""

_AREA = (0.35, 1.0)
"""Share of the image's area that a crop keeps: milder than ImageNet's 0.08, for small data."""

_MODES = {
    "nearest": InterpolationMode.NEAREST,
    "bilinear": InterpolationMode.BILINEAR,
    "bicubic": InterpolationMode.BICUBIC,
    "lanczos": InterpolationMode.LANCZOS,
    "box": InterpolationMode.BOX,
    "hamming": InterpolationMode.HAMMING,
}


class Augmentation:
    """A random variant of an image, in the form that evaluation gives.

    Args:
        window: what is seen of the image.
        flip: mirror every second image left to right.
        fill: colour where a turned or shifted image leaves nothing, 0..255.
    """

    def __init__(self, window: Window, flip: bool, fill: tuple[int, int, int]) -> None:
        mirror = [v2.RandomHorizontalFlip()] if flip else []
        change = v2.TrivialAugmentWide(interpolation=InterpolationMode.BILINEAR, fill=list(fill))
        self._window = window
        self._change = v2.Compose([*mirror, change])

    def __call__(self, image: Image.Image, seed: int) -> np.ndarray:
        """uint8 [height, width, 3]; the same for the same ``seed``, torch's own state untouched."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return np.asarray(self._change(self._window(image)))


def as_at_prediction(preprocessing: Preprocessing) -> Window:
    """The window of evaluation: what is small and at the border is never cut off by chance."""
    return lambda image: Image.fromarray(preprocessing.resize_and_crop(image))


def random_part(preprocessing: Preprocessing) -> Window:
    """Random resized crop (arXiv 1409.4842, milder)."""
    crop: Window = v2.RandomResizedCrop(
        (preprocessing.height, preprocessing.width),
        scale=_AREA,
        interpolation=_MODES[preprocessing.interpolation],
    )
    return crop


WINDOWS = {"light": as_at_prediction, "strong": random_part}
"""Value of ``TimmTransformConfig.augment`` -> what is seen."""
