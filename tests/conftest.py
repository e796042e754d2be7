"""A small table of pictures, texts, numbers, categories, dates and booleans, and a model of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mm_core import MultiModalPredictor

RANDOM_WEIGHTS = {
    "backbones.text.checkpoint": "random",
    "backbones.image.checkpoint": "random",
    "inputs.image.processor.image_size": 32,
}
"""Tiny networks without pretrained weights: fast, and the same code path."""

COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}
GOOD = ("lovely sturdy thing", "works very well indeed", "bought it again at once")
BAD = ("broke within a day", "never again thank you", "smells rather odd sadly")


def make_table(n_rows: int, folder: Path, seed: int = 0) -> pd.DataFrame:
    """Rows whose label needs the picture's colour, the review and the price together."""
    rng = np.random.default_rng(seed)
    colours = rng.choice(list(COLOURS), n_rows)
    good = rng.random(n_rows) < 0.5
    price = rng.normal(50, 20, n_rows).round(2)
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for row, colour in enumerate(colours):
        noise = rng.integers(-20, 20, (40, 30, 3)) + np.array(COLOURS[colour])
        names.append(f"picture_{seed}_{row}.png")
        Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(folder / names[-1])
    frame = pd.DataFrame(
        {
            "picture": [str(folder / name) for name in names],
            "review": [
                f"{rng.choice(GOOD if g else BAD)} number {rng.integers(1000)} from shop {row}"
                for row, g in enumerate(good)
            ],
            "price": price,
            "size": rng.choice(["small", "medium", "large"], n_rows),
            "sold": rng.random(n_rows) < 0.5,
            "listed": pd.Timestamp("2026-01-01")
            + pd.to_timedelta(rng.integers(0, 300, n_rows), "D"),
        }
    )
    frame.loc[rng.random(n_rows) < 0.1, "price"] = np.nan
    frame["liked"] = np.where(good & (colours != "blue"), "yes", "no")
    return frame


@dataclass(frozen=True)
class Trained:
    """A trained predictor with the rows it saw and rows it did not."""

    predictor: MultiModalPredictor
    train: pd.DataFrame
    test: pd.DataFrame
    folder: Path


@pytest.fixture(scope="session")
def fused(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Text, image and table in one model, with tiny random networks."""
    folder = tmp_path_factory.mktemp("fused")
    train = make_table(160, folder / "train", seed=1)
    test = make_table(60, folder / "test", seed=2)
    predictor = MultiModalPredictor(
        label="liked",
        hyperparameters=RANDOM_WEIGHTS | {"training.epochs": 10, "training.batch_size": 16},
        verbosity=0,
    ).fit(train)
    return Trained(predictor, train, test, folder)


@pytest.fixture(scope="session")
def table_maker() -> Callable[..., pd.DataFrame]:
    """:func:`make_table`."""
    return make_table


@pytest.fixture(scope="session")
def random_weights() -> dict[str, object]:
    """Settings for tiny networks without pretrained weights."""
    return dict(RANDOM_WEIGHTS)


@pytest.fixture
def small_table() -> pd.DataFrame:
    """Numbers and a category; label "kind" with two classes."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "height": rng.normal(size=80),
            "weight": rng.normal(size=80),
            "place": rng.choice(["north", "south", "west"], 80),
        }
    )
    frame["kind"] = np.where(frame["height"] + 0.3 * frame["weight"] > 0, "a", "b")
    return frame


FAST = {"training.epochs": 2}


@pytest.fixture
def fit_table() -> Callable[..., MultiModalPredictor]:
    """Fit a small table quickly: ``fit_table(frame, label, **arguments of fit)``."""

    def fit(frame: pd.DataFrame, label: str = "kind", **arguments: object) -> MultiModalPredictor:
        settings = FAST | dict(arguments.pop("hyperparameters", {}))  # type: ignore[call-overload]
        predictor = MultiModalPredictor(label=label, hyperparameters=settings, verbosity=0)
        return predictor.fit(frame, **arguments)  # type: ignore[arg-type]

    return fit
