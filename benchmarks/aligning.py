"""FuseMix on real pairs: which picture goes with a description, and the other way round.

``pokemon``: 646 creatures to learn from, of which 80 are drawn by the seed to choose the epoch by;
163 others are the test rows, and nothing is chosen by them. Encoders are all-MiniLM-L6-v2
and EfficientNet-Lite0, frozen. Four ways are trained alike (rows, epochs, rate, loss, temperature):
adapters or a linear projection, of mixtures of latents or of latents as they are. Intervals are of
1,000 draws of the test rows with replacement, of the mean over the seeds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.matching.few import read
from benchmarks.matching.runs import interval
from mm_core import MultiModalPredictor

HELD, PIXELS = 80, 128

LINEAR, PLAIN = {"topology.blocks": 0}, {"fit.alpha": None}
WAYS: dict[str, dict[str, Any]] = {
    "linear": LINEAR | PLAIN,
    "linear, mixed": LINEAR,
    "adapters": PLAIN,
    "fusemix": {},
}
AGAINST = ("linear", "adapters")
"""What ``fusemix`` is compared with on the same rows and seeds."""

DIRECTIONS = ("text to picture", "picture to text")
WITHIN = (1, 5, 10)


def aligning(asked: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Ranks of the right ones by each way, seed by seed."""
    columns = ["image", "description", "type"]
    train, test = (read(asked.data / "pokemon", part)[columns] for part in ("train", "test"))
    ranks: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
    named: dict[str, list[float]] = {way: [] for way in WAYS}
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(asked.seeds):
        rows = train.sample(frac=1, random_state=seed)
        for way, settings in WAYS.items():
            started = time.process_time()
            fitted = _fitted(rows, settings | {"fit.cache": str(asked.work / "latents")}, seed)
            seconds[way].append(time.process_time() - started)
            ranks[way].append(_ranks(fitted, test))
            named[way].append(_named(fitted, test))
            print(seed, way, (ranks[way][-1] <= 10).mean(axis=1), named[way][-1], flush=True)
        said = {way: _said(np.stack(ranks[way])) for way in WAYS}
        for way, found in said.items():
            found["type by its name"] = round(float(np.mean(named[way])), 4)
            found["seconds"] = round(float(np.median(seconds[way])), 1)
        yield (
            "pokemon",
            {
                "train_rows": len(train) - HELD,
                "test_rows": len(test),
                "seeds": seed + 1,
                "by chance": {f"recall@{k}": round(k / len(test), 4) for k in WITHIN},
                "most frequent type": round(_most_frequent(train, test), 4),
                "ways": said,
                "fusemix less": {way: _less(ranks["fusemix"], ranks[way]) for way in AGAINST},
            },
        )


def _fitted(rows: pd.DataFrame, settings: dict[str, Any], seed: int) -> MultiModalPredictor:
    return MultiModalPredictor(
        problem_type="alignment",
        query="description",
        response="image",
        presets="medium_quality",
        hyperparameters={"inputs.response_image.processor.image_size": PIXELS} | settings,
        verbosity=0,
    ).fit(rows.iloc[HELD:], tuning_data=rows.iloc[:HELD], seed=seed)


def _ranks(fitted: MultiModalPredictor, test: pd.DataFrame) -> np.ndarray:
    """int [2, N]: the place of each row's own picture, and of its own text."""
    query, response = (fitted.extract_embedding(test, of=side) for side in ("query", "response"))
    cosines = query @ response.T
    own = np.diag(cosines)
    return 1 + np.stack([(cosines > own[:, None]).sum(axis=1), (cosines > own).sum(axis=0)])


def _named(fitted: MultiModalPredictor, test: pd.DataFrame) -> float:
    """Share of pictures whose type is the nearest of the types' names."""
    classes = fitted.index_classes(sorted(test["type"].unique()), ["a {} pokemon"])
    found = fitted.search(test[["image"]], classes, top_k=1, side="response")
    return float((found["item"].to_numpy() == test["type"].to_numpy()).mean())


def _most_frequent(train: pd.DataFrame, test: pd.DataFrame) -> float:
    return float((test["type"] == train["type"].mode()[0]).mean())


def _said(ranks: np.ndarray) -> dict[str, Any]:
    """Of ranks [seeds, 2, N]."""
    found: dict[str, Any] = {}
    for place, direction in enumerate(DIRECTIONS):
        found[direction] = {}
        for k in WITHIN:
            hits = (ranks[:, place] <= k).mean(axis=0)
            found[direction][f"recall@{k}"] = round(float(hits.mean()), 4)
            found[direction][f"recall@{k} interval"] = _interval(hits)
    return found


def _less(ranks: list[np.ndarray], others: list[np.ndarray]) -> dict[str, Any]:
    """Differences of the shares within the first, on the same rows, with their intervals."""
    found = {}
    for place, direction in enumerate(DIRECTIONS):
        for k in WITHIN:
            own, other = ((np.stack(one)[:, place] <= k).mean(axis=0) for one in (ranks, others))
            found[f"{direction}, recall@{k}"] = [
                round(float((own - other).mean()), 4),
                *_interval(own - other),
            ]
    return found


def _interval(hits: np.ndarray) -> list[float]:
    return interval(lambda rows: float(hits[rows].mean()), len(hits))
