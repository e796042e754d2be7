"""Small pictures with bright discs beside their masks, and a segmenter that has learned them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_segmentation.samples import SIDE, drawn, png

from mm_core import MultiModalPredictor


@pytest.fixture(scope="session")
def small() -> dict[str, Any]:
    """Settings of a segmenter that learns discs in seconds."""
    return {
        "backbones.picture_image.checkpoint": "random",
        "backbones.picture_image.decoder_settings": {"decoder_channels": [32, 16, 16, 8, 8]},
        "inputs.picture_image.processor.image_size": SIDE,
        "inputs.picture_image.processor.augment": "none",
        "training.epochs": 12,
        "training.batch_size": 4,
        "training.head_learning_rate": 5e-3,
    }


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``pictures(n)``: a table of n rows, each second picture wider, masks of 0 and 255."""

    def make(n: int, seed: int = 0) -> Path:
        folder = tmp_path_factory.mktemp("pictures")
        (folder / "images").mkdir()
        (folder / "masks").mkdir()
        rows = []
        for number in range(n):
            picture, mask = drawn(number, seed, wider=32)
            (folder / f"images/{number}.png").write_bytes(png(picture))
            (folder / f"masks/{number}.png").write_bytes(png(255 * mask.astype(np.uint8)))
            rows.append({"photo": f"images/{number}.png", "mask": f"masks/{number}.png"})
        pd.DataFrame(rows).to_csv(folder / "rows.csv", index=False)
        return folder / "rows.csv"

    return make


@pytest.fixture(scope="session")
def table(pictures: Callable[..., Path]) -> Path:
    """Rows to train on."""
    return pictures(24)


@pytest.fixture(scope="session")
def fitted(table: Path, small: dict[str, Any]) -> MultiModalPredictor:
    """Nothing but the size of things is set: the label asks for the task, and it for the rest."""
    predictor = MultiModalPredictor("mask", hyperparameters=small, verbosity=0)
    return predictor.fit(table, tuning_data=table)


@pytest.fixture(scope="session")
def saved(fitted: MultiModalPredictor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fitted model's folder."""
    return fitted.save(tmp_path_factory.mktemp("saved") / "model")
