"""A table with a column that only an encoder can read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.testing.kit import KIT

QUICK: dict[str, Any] = {
    "fit.members.trees": {"threads": 1, "rounds": 60, "learning_rate": 0.2},
    "fit.members.leafwise": None,
    "fit.members.features.learner": {"threads": 1, "rounds": 60, "learning_rate": 0.2},
    "fit.settings": {"left_alone": {"training.epochs": 2}},
    "training.epochs": 4,
    "training.head_learning_rate": 1e-2,
}
"""Each member learns something, and none takes long."""


def table(n: int = 240, seed: int = 0) -> pd.DataFrame:
    """Labels hang on a number, a category and the first number of a point."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, 32))
    rows = pd.DataFrame(
        {
            "height": rng.normal(size=n),
            "place": rng.choice(["a", "b"], n),
            "point": ["left " + " ".join(f"{x:.3f}" for x in point) for point in points],
        }
    )
    score = rows.height + (rows.place == "b") + 2 * points[:, 0]
    rows["price"] = 1e5 + 1e4 * score
    rows["sold"] = np.where(score > 0.5, "yes", "no")
    rows["level"] = pd.cut(score, [-np.inf, -1, 1, np.inf], labels=["low", "mid", "high"])
    rows["tags"] = [
        ["high"] * bool(h > 0) + ["b"] * bool(p == "b")
        for h, p in zip(rows.height, rows.place, strict=True)
    ]
    return rows.astype({"level": str})


LABELS = ("price", "sold", "level", "tags")


def rows_for(label: str, n: int = 240, seed: int = 0) -> pd.DataFrame:
    """The table with one label."""
    return table(n, seed).drop(columns=[name for name in LABELS if name != label])


def fit(
    label: str, rows: pd.DataFrame | None = None, *, call: Any = None, **settings: Any
) -> MultiModalPredictor:
    """An ensemble, unless another fitter is named; settings with dots are the recipe's."""
    wished = {"fit": "ensemble:greedy", **QUICK, **settings}
    wished = {name: value for name, value in wished.items() if value != "unset"}
    problem = "multilabel" if label == "tags" else None
    model = MultiModalPredictor(label, problem, hyperparameters=wished, verbosity=0, plugins=[KIT])
    return model.fit(rows_for(label) if rows is None else rows, **(call or {}))


@pytest.fixture(scope="module")
def fitted() -> MultiModalPredictor:
    """Of a label of two classes."""
    return fit("sold")
