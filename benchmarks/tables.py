"""Tables alone: each library of mm-trees and the network, on the same held-out rows.

    python -m benchmarks.tables --data DIR [--sets churn] [--ways catboost] [--out FILE]

Four tables (:func:`benchmarks.tabular_default.problems`), training rows only: each seed trains on
64% of them, stops early by 16% and scores the other 20%. ``bare`` is scikit-learn's
HistGradientBoosting as one would write it by hand. Settings are the defaults, on one thread;
seconds are of the processor.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

from benchmarks.place import machine, versions
from benchmarks.tabular_default import SEEDS, Problem, Split, problems, run_trees, split_of
from mm_core import MultiModalPredictor

WAYS: dict[str, dict[str, Any]] = {
    "catboost": {"fit": "trees:catboost", "fit.threads": 1},
    "lightgbm": {"fit": "trees:lightgbm", "fit.threads": 1},
    "hist_gradient_boosting": {"fit": "trees:hist_gradient_boosting", "fit.threads": 1},
    "network": {"fit": "core:finetune"},
}


def run(problem: Problem, split: Split, way: str, seed: int) -> dict[str, Any]:
    """Score of the test rows and seconds of one fit."""
    if way == "bare":
        found = run_trees(problem, split, seed)
        return {"score": found["test"], "seconds": found["seconds"]}
    metric = "roc_auc" if problem.classify else "r2"
    predictor = MultiModalPredictor(
        problem.label,
        problem_type="binary" if problem.classify else "regression",
        eval_metric=metric,
        hyperparameters={**WAYS[way], "training.seed": seed},
        verbosity=0,
    )
    rows = problem.frame.iloc
    began = time.process_time()
    predictor.fit(rows[split.train], tuning_data=rows[split.validation])
    seconds = time.process_time() - began
    return {"score": float(predictor.evaluate(rows[split.test])[metric]), "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the shared data sets")
    parser.add_argument("--sets", nargs="*", help="tables; all by default")
    parser.add_argument("--ways", nargs="*", default=[*WAYS, "bare"])
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "tables.json"
    )
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    runs = [
        {
            "set": problem.name,
            "metric": "roc_auc" if problem.classify else "r2",
            "way": way,
            "seed": seed,
            **run(problem, split_of(problem, seed), way, seed),
        }
        for problem in problems(given.data)
        if not given.sets or problem.name in given.sets
        for way in given.ways
        for seed in SEEDS
    ]
    given.out.write_text(
        json.dumps({"machine": machine(threads=1), "versions": versions(), "runs": runs}, indent=1)
        + "\n"
    )
    show(runs)


def show(runs: list[dict[str, Any]]) -> None:
    """A line for each set and way, means over the seeds."""
    for name, way in dict.fromkeys((one["set"], one["way"]) for one in runs):
        own = [one for one in runs if (one["set"], one["way"]) == (name, way)]
        score, seconds = (sum(one[key] for one in own) / len(own) for key in ("score", "seconds"))
        print(f"{name:20s} {way:24s} {own[0]['metric']} {score:.4f}  {seconds:6.1f} s")


if __name__ == "__main__":
    main()
