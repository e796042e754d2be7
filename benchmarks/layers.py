"""What a second layer, folds and fitting anew are worth: ensembles of trees and a network.

    python -m benchmarks.layers --data DIR [--sets churn] [--rows 4000]

Reads ``train.csv`` only. Every seed draws a fifth of the rows as test rows; the rest is what an
ensemble is given. One thread; seconds are those of the fit and of answering the test rows.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from benchmarks.place import machine, versions
from mm_core import MultiModalPredictor

SETS = {"churn": ("Exited", "roc_auc"), "california_housing": ("median_house_value", "r2")}
SEEDS = (0, 1, 2)
MEMBERS: dict[str, Any] = {
    "fit.alone": False,
    "fit.members.features": None,
    "fit.members.trees.threads": 1,
    "fit.members.leafwise.threads": 1,
    "fit.settings": {"network": {"presets": "medium_quality"}},
}
SECOND = {"fit.second.above": {"id": "trees:catboost", "threads": 1}}
WAYS: dict[str, dict[str, Any]] = {
    "held out": {"fit": "ensemble:greedy"},
    "held out, anew": {"fit": "ensemble:greedy", "fit.refit": True},
    "folds": {"fit": "ensemble:bagged", "fit.folds": 3},
    "folds, anew": {"fit": "ensemble:bagged", "fit.folds": 3, "fit.refit": True},
    "folds, second layer": {"fit": "ensemble:bagged", "fit.folds": 3, **SECOND},
}


def run(frame: pd.DataFrame, name: str, way: str, seed: int) -> dict[str, Any]:
    """Score and seconds of one ensemble."""
    label, metric = SETS[name]
    strata = frame[label] if frame[label].nunique() < 10 else None
    train, test = train_test_split(frame, test_size=0.2, random_state=seed, stratify=strata)
    settings = {**MEMBERS, **WAYS[way], "training.seed": seed}
    predictor = MultiModalPredictor(
        label, eval_metric=metric, hyperparameters=settings, verbosity=0
    )
    began = time.monotonic()
    predictor.fit(train.reset_index(drop=True))
    fitted = time.monotonic()
    score = predictor.evaluate(test.reset_index(drop=True))[metric]
    weights = {
        key.removesuffix(".weight"): round(float(value), 3)
        for key, value in predictor.history.iloc[0].items()
        if str(key).endswith(".weight")
    }
    return {
        "set": name,
        "way": way,
        "seed": seed,
        "score": round(float(score), 4),
        "fit_seconds": round(fitted - began, 1),
        "answer_seconds": round(time.monotonic() - fitted, 2),
        "weights": weights,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--rows", type=int, default=None, help="of train.csv; None: all")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/layers.json"))
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    done: list[dict[str, Any]] = []
    for name in asked.sets:
        frame = pd.read_csv(asked.data / name / "train.csv").head(asked.rows)
        for way in WAYS:
            done += [run(frame, name, way, seed) for seed in SEEDS]
            scores = [one["score"] for one in done if (one["set"], one["way"]) == (name, way)]
            print(name, way, np.mean(scores).round(4), np.std(scores).round(4), flush=True)
        said = {"rows": asked.rows, "runs": done, "machine": machine(1), "versions": versions()}
        asked.out.write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
