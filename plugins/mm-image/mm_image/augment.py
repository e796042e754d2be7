"""Light augmentation in training. Heavy: imports torch and torchvision.

Random resized crop (arXiv 1409.4842, milder), mirror image, TrivialAugment (arXiv 2103.10158).
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, v2

from mm_image.preprocessing import Preprocessing

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


class LightAugmentation:
    """A random variant of an image, in the form that evaluation gives.

    Args:
        preprocessing: size and interpolation.
        flip: mirror every second image left to right.
    """

    def __init__(self, preprocessing: Preprocessing, flip: bool) -> None:
        steps: list[torch.nn.Module] = [
            v2.RandomResizedCrop(
                (preprocessing.height, preprocessing.width),
                scale=_AREA,
                interpolation=_MODES[preprocessing.interpolation],
            )
        ]
        if flip:
            steps.append(v2.RandomHorizontalFlip())
        steps.append(
            v2.TrivialAugmentWide(
                interpolation=InterpolationMode.BILINEAR, fill=list(preprocessing.fill)
            )
        )
        self._transform = v2.Compose(steps)

    def __call__(self, image: Image.Image, seed: int) -> np.ndarray:
        """uint8 [height, width, 3]; the same for the same ``seed``, torch's own state untouched."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return np.asarray(self._transform(image))
