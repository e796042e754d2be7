"""Pairs of pictures, and pictures with texts: towers as they are, frozen under heads, fine-tuned.

``cifar10_2k``: two pictures match where they show the same kind of thing; each test picture stands
beside one that matches and one that does not. ``pokemon``: which picture goes with a description,
among those of all creatures of the test rows; no creature of these is in training. Networks are
EfficientNet-Lite0 and MiniLM. The rate of heads was chosen by validation rows out of the training
rows (``tried``), which also choose the best epoch. Intervals are of 1,000 draws of the test queries
with replacement.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.matching.few import read
from benchmarks.matching.runs import Run, interval, rounded
from mm_core import MultiModalPredictor

PIXELS = {"cifar10_2k": 64, "pokemon": 128}
HELD = 80

HEADS: dict[str, Any] = {"fit": "fusion:cached", "topology.dim": 256}
WAYS: dict[str, dict[str, dict[str, Any]]] = {
    "cifar10_2k": {
        "as they are": {},
        "heads": {**HEADS, "training.epochs": 20, "training.head_learning_rate": 1e-3},
        "fine-tuned": {"training.epochs": 3, "training.learning_rate": 1e-4},
    },
    "pokemon": {
        "heads": {**HEADS, "training.epochs": 40, "training.head_learning_rate": 3e-3},
        "fine-tuned": {
            "topology.dim": 256,
            "training.epochs": 3,
            "training.learning_rate": 1e-4,
            "training.head_learning_rate": 3e-3,
        },
    },
}


def image_pairs(asked: argparse.Namespace) -> Iterator[Run]:
    """roc_auc of two pictures that show the same."""
    train, test = (read(asked.data / "cifar10_2k", part) for part in ("train", "test"))
    learned = _learned(train, asked.picture_rows)
    for way, settings in WAYS["cifar10_2k"].items():
        run = {"part": "image_pairs", "set": "cifar10_2k", "way": way, "rows": len(learned) - HELD}
        yield run, partial(_same_class, learned, _beside(test, test), settings)


def _learned(pictures: pd.DataFrame, rows: int) -> pd.DataFrame:
    """Pairs to learn from, and :data:`HELD` to choose by."""
    return _beside(pictures.sample((rows + HELD) // 2, random_state=0), pictures)


def _beside(rows: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Each picture twice, one after the other: beside one of its class, and one of another."""
    rng = np.random.default_rng(0)
    found = []
    for picture, label in zip(rows["image"], rows["label"], strict=True):
        for match in (1, 0):
            mates = others[(others["label"] == label) == bool(match)]
            mates = mates[mates["image"] != picture]["image"]
            found.append((picture, mates.iloc[int(rng.integers(len(mates)))], match))
    return pd.DataFrame(found, columns=["left", "right", "match"])


def _same_class(
    learned: pd.DataFrame, test: pd.DataFrame, settings: Mapping[str, Any]
) -> dict[str, Any]:
    from sklearn.metrics import roc_auc_score

    started = time.process_time()
    predictor = _pairs(learned, settings)
    seconds = time.process_time() - started
    if settings:
        score = predictor.predict_proba(test)[1].to_numpy()
    else:
        score = predictor.predict(test.drop(columns="match")).to_numpy()
    truth, scores = test["match"].to_numpy().reshape(-1, 2), score.reshape(-1, 2)

    def auc(rows: np.ndarray) -> float:
        return float(roc_auc_score(truth[rows].ravel(), scores[rows].ravel()))

    return {
        "roc_auc": round(auc(np.arange(len(truth))), 4),
        "interval": interval(auc, len(truth)),
        "test_rows": len(test),
        "seconds": round(seconds, 1),
    }


def _pairs(learned: pd.DataFrame, settings: Mapping[str, Any]) -> MultiModalPredictor:
    """Fitted, where there are settings for it."""
    predictor = MultiModalPredictor(
        "match" if settings else None,
        problem_type="image_similarity",
        query="left",
        response="right",
        presets="medium_quality",
        hyperparameters={
            "inputs.query_image.processor.image_size": PIXELS["cifar10_2k"],
            **settings,
        },
        verbosity=0,
    )
    if settings:
        predictor.fit(learned.iloc[:-HELD], tuning_data=learned.iloc[-HELD:])
    return predictor


def image_text(asked: argparse.Namespace) -> Iterator[Run]:
    """Which picture goes with a description, and what chance would find."""
    train, test = _creatures(asked.data)
    for way, settings in WAYS["pokemon"].items():
        run = {"part": "image_text", "set": "pokemon", "way": way, "rows": len(train) - HELD}
        yield run, partial(_found, train, test, settings)


def tried(asked: argparse.Namespace) -> Iterator[Run]:
    """Rates of heads for pictures with texts, and of towers of pictures, by the validation rows."""
    pictures = read(asked.data / "cifar10_2k", "train")
    learned = _learned(pictures, asked.picture_rows)
    for rate in (3e-5, 1e-4):
        more = {**WAYS["cifar10_2k"]["fine-tuned"], "training.learning_rate": rate}
        run = {"part": "pictures_tried", "set": "cifar10_2k", "way": "fine-tuned", "rate": rate}
        yield run, partial(_validated_pairs, learned, more)
    train, _ = _creatures(asked.data)
    latents = tempfile.mkdtemp()
    for rate in (3e-4, 1e-3, 3e-3):
        more = {"training.head_learning_rate": rate, "fit.cache": latents}
        run = {"part": "pictures_tried", "set": "pokemon", "way": "heads", "rate": rate}
        yield run, partial(_validated, train, {**WAYS["pokemon"]["heads"], **more})


def _validated_pairs(learned: pd.DataFrame, settings: Mapping[str, Any]) -> dict[str, Any]:
    fitted = _pairs(learned, settings)
    return {"roc_auc": round(float(fitted.history["pairs"].max()), 4)}


def _creatures(data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    train, test = (
        read(data / "pokemon", part)[["image", "description"]] for part in ("train", "test")
    )
    return train.sample(frac=1, random_state=0), test


def _validated(train: pd.DataFrame, settings: Mapping[str, Any]) -> dict[str, Any]:
    fitted = _fitted(train, settings)
    return {"mrr": round(float(fitted.history["pairs"].max()), 4), "epochs": len(fitted.history)}


def _found(train: pd.DataFrame, test: pd.DataFrame, settings: Mapping[str, Any]) -> dict[str, Any]:
    started = time.process_time()
    fitted = _fitted(train, settings)
    seconds = time.process_time() - started
    query, response = (fitted.extract_embedding(test, of=side) for side in ("query", "response"))
    cosines = query @ response.T
    ranks = 1 + (cosines > np.diag(cosines)[:, None]).sum(axis=1)
    scores = {
        "recall@1": ranks <= 1,
        "recall@10": ranks <= 10,
        "mrr": 1 / ranks,
    }
    places = np.arange(1, len(test) + 1)
    chance = {"recall@1": 1, "recall@10": 10, "mrr": float((1 / places).sum())}
    found: dict[str, Any] = {"test_rows": len(test), "seconds": round(seconds, 1)}
    found |= rounded({name: each.mean() for name, each in scores.items()})
    for name, each in scores.items():
        found[f"{name} interval"] = interval(lambda rows, e=each: float(e[rows].mean()), len(test))
        found[f"{name} by chance"] = round(chance[name] / len(test), 4)
    return found


def _fitted(train: pd.DataFrame, settings: Mapping[str, Any]) -> MultiModalPredictor:
    return MultiModalPredictor(
        problem_type="matching",
        query="description",
        response="image",
        presets="medium_quality",
        hyperparameters={
            "inputs.response_image.processor.image_size": PIXELS["pokemon"],
            "training.batch_size": 64,
            **settings,
        },
        verbosity=0,
    ).fit(train.iloc[:-HELD], tuning_data=train.iloc[-HELD:])
