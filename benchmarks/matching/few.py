"""Classes from a few rows: the task, scikit-learn's regression on the same vectors, the whole
network trained on the same rows.

The networks are MiniLM and EfficientNet-Lite0, pictures are read at 64 pixels. Shots are drawn from
the training rows by the number of the draw; test rows are the published ones. Rates of
whole networks and of the contrastive step were chosen on other training rows (``tried``).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.matching.runs import Run, rounded
from mm_core import MultiModalPredictor

SHOTS = (1, 4, 8, 16)


@dataclass(frozen=True)
class FewSet:
    """A set with classes, and the settings that each way of learning has on it."""

    name: str
    label: str
    settings: Mapping[str, Any]
    whole: Mapping[str, Any]
    contrastive: Mapping[str, Any]


SETS = (
    FewSet(
        "snips",
        "intent",
        {},
        {"training.epochs": 10, "training.learning_rate": 5e-4},
        {"fit.contrastive": 5, "fit.contrastive_rate": 5e-4},
    ),
    FewSet(
        "cifar10_2k",
        "label",
        {"inputs.image.processor.image_size": 64},
        {"training.epochs": 10, "training.learning_rate": 5e-4},
        {"fit.contrastive": 5, "fit.contrastive_rate": 5e-4},
    ),
)


def shots(asked: argparse.Namespace) -> Iterator[Run]:
    """Each set, 1 to 16 rows of each class, some draws."""
    for one in SETS:
        train, test = (read(asked.data / one.name, part) for part in ("train", "test"))
        vectors = _Vectors(one, test)
        for seed in range(asked.draws):
            for count in SHOTS:
                rows = train.groupby(one.label).sample(count, random_state=seed)
                run = {"part": "few_shot", "set": one.name, "shots": count, "seed": seed}
                yield run, partial(_frozen, one, rows, test, vectors)
        for seed in range(min(asked.draws, asked.whole_draws)):
            for count in SHOTS:
                rows = train.groupby(one.label).sample(count, random_state=seed)
                run = {"part": "few_shot_whole", "set": one.name, "shots": count, "seed": seed}
                yield run, partial(_whole, one, rows, test)


def tried(asked: argparse.Namespace) -> Iterator[Run]:
    """Settings of whole networks and of the contrastive step, on training rows: 4 of each class to
    learn from, 300 others to be scored by.
    """
    for one in SETS:
        rows = read(asked.data / one.name, "train")
        learned = rows.groupby(one.label).sample(4, random_state=100)
        held = rows.drop(learned.index).sample(300, random_state=100)
        for rate in (1e-4, 5e-4):
            for way, more in (
                ("whole", {"training.epochs": 10, "training.learning_rate": rate}),
                ("contrastive", {"fit.contrastive": 5, "fit.contrastive_rate": rate}),
            ):
                run = {"part": "few_shot_tried", "set": one.name, "way": way, "rate": rate}
                yield run, partial(_scored, one, learned, held, more)


def _frozen(
    one: FewSet, rows: pd.DataFrame, test: pd.DataFrame, vectors: _Vectors
) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression

    started = time.process_time()
    predictor = _predictor(one, {}).fit(rows)
    seconds = time.process_time() - started
    plain = LogisticRegression(max_iter=1000).fit(
        predictor.extract_embedding(rows), rows[one.label]
    )
    return rounded(
        {
            "accuracy": predictor.evaluate(test)["accuracy"],
            "scikit-learn": plain.score(vectors.of_test(predictor), test[one.label]),
            "seconds": seconds,
        }
    )


def _whole(one: FewSet, rows: pd.DataFrame, test: pd.DataFrame) -> dict[str, Any]:
    """The whole network, and the contrastive step before the head."""
    found = {}
    for name, more in (("fine-tuned", one.whole), ("contrastive", one.contrastive)):
        said = _scored(one, rows, test, more)
        found |= {name: said["accuracy"], f"seconds_{name}": said["seconds"]}
    return found


def _scored(
    one: FewSet, rows: pd.DataFrame, test: pd.DataFrame, more: Mapping[str, Any]
) -> dict[str, Any]:
    """Where a network is trained as a whole the shots are also what epochs are judged by: there are
    no others.
    """
    started = time.process_time()
    whole = "training.epochs" in more
    predictor = _predictor(one, more).fit(rows, tuning_data=rows if whole else None)
    seconds = time.process_time() - started
    return rounded({"accuracy": predictor.evaluate(test)["accuracy"], "seconds": seconds})


class _Vectors:
    """Those of the test rows, which all draws share: nothing of the networks is trained."""

    def __init__(self, one: FewSet, test: pd.DataFrame) -> None:
        self.one, self.test = one, test
        self._found: np.ndarray | None = None

    def of_test(self, predictor: MultiModalPredictor) -> np.ndarray:
        """By the first predictor that comes."""
        if self._found is None:
            self._found = np.asarray(predictor.extract_embedding(self.test))
        return self._found


def _predictor(one: FewSet, more: Mapping[str, Any]) -> MultiModalPredictor:
    return MultiModalPredictor(
        one.label,
        problem_type="few_shot_classification",
        presets="medium_quality",
        hyperparameters={**one.settings, **more},
        verbosity=0,
    )


def read(folder: Path, part: str) -> pd.DataFrame:
    """With paths of pictures written out."""
    frame = pd.read_csv(folder / f"{part}.csv")
    if "image" in frame:
        frame["image"] = [str(folder / path) for path in frame["image"]]
    return frame
