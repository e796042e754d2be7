"""Twenty trials of `mm tune`, and as many seconds of random search, on the same rows.

    python -m benchmarks.tuning --data DIR [--fits trees:lightgbm] [--sets churn]

Each seed holds out its own fifth of ``train.csv`` for all trials of both searches; ``default`` is
trial 0, the settings as they are. The best recipe is fitted and scored once on ``test.csv``. One
thread. Random search is given the seconds that the other took, on the same clock.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from mm_tune.api import tune
from sklearn.model_selection import train_test_split

from benchmarks.place import machine, versions
from mm_core import MultiModalPredictor

if TYPE_CHECKING:
    from mm_tune.tuned import Tuned

SETS = {"churn": ("Exited", "roc_auc"), "california_housing": ("median_house_value", "r2")}
TRIALS = 20
MANY = 10_000


def run(folder: Path, name: str, fit: str, seed: int) -> list[dict[str, Any]]:
    """A record of each search, and of the settings as they are."""
    label, metric = SETS[name]
    frame, test = (pd.read_csv(folder / f"{part}.csv") for part in ("train", "test"))
    strata = frame[label] if metric == "roc_auc" else None
    train, held = train_test_split(frame, test_size=0.2, random_state=seed, stratify=strata)
    settings = {"fit": fit, "fit.threads": 1}

    def search(**given: Any) -> tuple[Tuned, float]:
        began = time.monotonic()
        found = tune(
            train,
            label,
            tuning_data=held,
            eval_metric=metric,
            hyperparameters=settings,
            seed=seed,
            **given,
        )
        return found, time.monotonic() - began

    def scored(recipe: Any) -> float:
        predictor = MultiModalPredictor(label, eval_metric=metric, verbosity=0)
        predictor.fit(train, tuning_data=held, recipe=recipe)
        return round(float(predictor.evaluate(test)[metric]), 4)

    tpe, seconds = search(trials=TRIALS)
    blind, others = search(trials=MANY, time=seconds, sampler="random")
    plain = MultiModalPredictor(
        label,
        eval_metric=metric,
        hyperparameters={**settings, "training.seed": seed},
        verbosity=0,
    )
    default = plain.plan(train)
    shared = {"set": name, "fit": fit, "seed": seed, "metric": metric}
    first = float(tpe.trials.score.iloc[0])
    found = [{**shared, "way": "default", "validation": round(first, 4), "test": scored(default)}]
    for way, one, spent in (("tpe", tpe, seconds), ("random", blind, others)):
        best = one.trials.score.max()
        found += [
            {
                **shared,
                "way": way,
                "validation": round(float(best), 4),
                "test": scored(one.recipe),
                "trials": int((one.trials.state == "done").sum()),
                "seconds": round(spent, 1),
                "settings": {key: _plain(value) for key, value in one.settings.items()},
            }
        ]
    return found


def _plain(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--fits", nargs="*", default=["trees:lightgbm"])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/tuning.json"))
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    done = json.loads(asked.out.read_text())["runs"] if asked.out.is_file() else []
    for fit in asked.fits:
        for name in asked.sets:
            for seed in asked.seeds:
                if any((one["fit"], one["set"], one["seed"]) == (fit, name, seed) for one in done):
                    continue
                found = run(asked.data / name, name, fit, seed)
                print(json.dumps(found), flush=True)
                done += found
                said = {"runs": done, "machine": machine(1), "versions": versions()}
                asked.out.write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
