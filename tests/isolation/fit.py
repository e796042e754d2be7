"""Run where the core and one plugin are installed: ``python fit.py PLUGIN FOLDER``.

Fits a tiny table of the plugin's own kind, saves the model, and writes down rows and answers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from mm_core import MultiModalPredictor

Made = tuple[pd.DataFrame, dict[str, object]]
ROWS = 24


def tabular(folder: Path) -> Made:
    """Numbers and a category."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=ROWS), "place": rng.choice(["a", "b"], ROWS)})
    return frame, {}


def text(folder: Path) -> Made:
    """Sentences; a network without pretrained weights."""
    frame = pd.DataFrame({"review": [f"this is what customer {i} wrote" for i in range(ROWS)]})
    return frame, {"backbones.text.checkpoint": "random"}


def image(folder: Path) -> Made:
    """Files of pictures; a network without pretrained weights."""
    from PIL import Image

    rng = np.random.default_rng(0)
    names = [str(folder / f"{row}.png") for row in range(ROWS)]
    for name in names:
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(name)
    settings = {"backbones.image.checkpoint": "random", "inputs.image.processor.image_size": 32}
    return pd.DataFrame({"picture": names}), settings


TABLES: dict[str, Callable[[Path], Made]] = {"image": image, "tabular": tabular, "text": text}


def main(plugin: str, folder: Path) -> None:
    """A model, ``rows.parquet`` and ``answers.parquet`` in the folder."""
    frame, settings = TABLES[plugin](folder)
    frame.to_parquet(folder / "rows.parquet")
    predictor = MultiModalPredictor(
        "y",
        path=str(folder / "model"),
        hyperparameters={"training.epochs": 1, **settings},
        verbosity=0,
    ).fit(frame.assign(y=np.where(np.arange(ROWS) % 2, "yes", "no")))
    assert list(predictor.recipe.backbones) == [plugin]
    predictor.predict_proba(frame).to_parquet(folder / "answers.parquet")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
