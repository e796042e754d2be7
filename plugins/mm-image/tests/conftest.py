"""Small images made on the spot; nothing is downloaded."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_image.configs import TimmTransformConfig
from mm_image.timm_transform import TimmTransform
from PIL import Image

from mm_core.api import Checkpoint, Field, Table

SIZE = 32


def random_pixels(seed: int, height: int = 40, width: int = 56) -> np.ndarray:
    """uint8 [height, width, 3]: coarse random colours, smooth enough for JPEG."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def file_bytes(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=format, **options)
    return buffer.getvalue()


@pytest.fixture
def pixels() -> Callable[..., np.ndarray]:
    return random_pixels


@pytest.fixture
def to_bytes() -> Callable[..., bytes]:
    return file_bytes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``0.png`` to ``5.png`` in the folder ``pictures`` below."""
    (tmp_path / "pictures").mkdir()
    for number in range(6):
        Image.fromarray(random_pixels(number)).save(tmp_path / "pictures" / f"{number}.png")
    return tmp_path


@pytest.fixture
def fitted(folder: Path) -> Callable[..., tuple[TimmTransform, Table]]:
    """(columns, checkpoint=None, **config) -> a processor fitted on them, and their table."""

    def build(
        columns: dict[str, list[Any]], checkpoint: Checkpoint | None = None, **config: Any
    ) -> tuple[TimmTransform, Table]:
        table = Table(pd.DataFrame(columns), folder)
        fields = [Field(name, "path") for name in columns]
        settings = TimmTransformConfig(**{"image_size": SIZE, **config})
        processor = TimmTransform(settings, fields, checkpoint)
        processor.fit(table)
        return processor, table

    return build
