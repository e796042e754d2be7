"""What the runs of all seeds and draws say together."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.matching.pairs import LIBRARY
from benchmarks.paired import paired

SCORES = ("roc_auc", "recall@1", "mrr")
RATED = ("accuracy", "scikit-learn", "contrastive", "fine-tuned")

Runs = list[dict[str, Any]]


def summary(runs: Runs) -> dict[str, Any]:
    """By part and set."""
    return _pairs(runs) | _encoded(runs) | _few(runs)


def _pairs(runs: Runs) -> dict[str, Any]:
    """Means of both sides, ours less theirs over the seeds that both have, and ours over theirs in
    seconds, seed by seed and in all.
    """
    found: dict[str, Any] = {}
    for name in dict.fromkeys(one["set"] for one in runs if one["part"] == "pairs"):
        mine = [one for one in runs if one["part"] == "pairs" and one["set"] == name]
        sides = [
            {one["seed"]: one for one in mine if one["side"] == side} for side in ("mm", LIBRARY)
        ]
        seeds = sorted(sides[0].keys() & sides[1].keys())
        if not seeds:
            continue
        found[name] = {
            key: {
                "mm": round(float(np.mean([sides[0][seed][key] for seed in seeds])), 4),
                LIBRARY: round(float(np.mean([sides[1][seed][key] for seed in seeds])), 4),
                **paired(*([side[seed][key] for seed in seeds] for side in sides)),
            }
            for key in SCORES
            if key in sides[0][seeds[0]]
        }
        spent = [[side[seed]["seconds"] for seed in seeds] for side in sides]
        ratios = [round(ours / theirs, 3) for ours, theirs in zip(*spent, strict=True)]
        found[name]["seconds"] = {
            "ratio": round(sum(spent[0]) / sum(spent[1]), 3),
            "each": ratios,
        }
    return found


def _encoded(runs: Runs) -> dict[str, Any]:
    spent = {one["side"]: one["seconds"] for one in runs if one["part"] == "encode"}
    if len(spent) < 2:
        return {}
    return {"encode": {"seconds_ratio": round(spent["mm"] / spent[LIBRARY], 3)}}


def _few(runs: Runs) -> dict[str, Any]:
    """Mean and standard deviation over the draws, by set and rows of each class."""
    mine = [one for one in runs if one["part"] == "few_shot"]
    found: dict[str, Any] = {}
    for name, shots in dict.fromkeys((one["set"], one["shots"]) for one in mine):
        given = [one for one in mine if (one["set"], one["shots"]) == (name, shots)]
        found[f"{name}, {shots} of each"] = {
            key: [round(float(np.mean(values)), 4), round(float(np.std(values)), 4), len(values)]
            for key in (*RATED, "seconds", "seconds_fine-tuned", "seconds_contrastive")
            for values in [[one[key] for one in given if key in one]]
            if values
        }
    return found
