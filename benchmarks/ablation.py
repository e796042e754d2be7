"""What each part of the training recipe adds, on training rows only.

    python -m benchmarks.ablation --data DIR --group recipe --seeds 3 --jobs 2
    python -m benchmarks.ablation --data DIR --group image --seeds 3
    python -m benchmarks.ablation --data DIR --group layer_decay --seeds 8 --jobs 2
    python -m benchmarks.ablation --data DIR --group augment --seeds 3 --jobs 2
    python -m benchmarks.ablation --data DIR --group adapter --seeds 3 --jobs 2

Each variant changes one thing of the defaults. A quarter of train.csv, drawn by the seed, is
scored; test.csv is not read. All variants of a (set, seed) see the same rows. Results are written
after every fit; a fit of the same definition that stands in the file is not repeated.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.ours import run
from benchmarks.place import machine, versions
from benchmarks.report_ablation import ablation
from benchmarks.rows import draw
from benchmarks.sets import SETS, BenchmarkSet

Variants = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Group:
    """Variants, the sets they are tried on, and the one they are compared with."""

    variants: Variants
    sets: tuple[BenchmarkSet, ...]
    reference: str = "default"


def _rate(rate: float, decay: float) -> dict[str, Any]:
    return {"backbones.image.learning_rate": rate, "training.layer_decay": decay}


_CIFAR = SETS["cifar10_2k"]
_TILE = replace(SETS["magnetic_tile"], budget=replace(SETS["magnetic_tile"].budget, epochs=5))


def _fewer(name: str, rows: int) -> BenchmarkSet:
    """A set cut to so many rows: all variants and seeds together are to take an hour."""
    one = SETS[name]
    return replace(one, budget=replace(one.budget, max_rows=rows))


GROUPS = {
    "recipe": Group(
        variants={
            "default": {},
            "constant schedule": {"training.schedule": "constant"},
            "linear schedule": {"training.schedule": "linear"},
            "no warm-up": {"training.warmup": 0.0},
            "no clipping": {"training.clip_norm": None},
            "layer decay 0.9": {"training.layer_decay": 0.9},
            "no weight decay": {"training.weight_decay": 0.0},
            "one learning rate": {"training.head_learning_rate": 1e-4},
            "greedy soup": {"training.average": "greedy_soup"},
            "uniform soup": {"training.average": "uniform_soup"},
            "moving average": {"training.average": "ema"},
        },
        sets=(
            _fewer("snips", 400),
            SETS["magnetic_tile"],
            SETS["churn"],
            SETS["california_housing"],
            _fewer("pokemon", 600),
        ),
    ),
    "layer_decay": Group(
        variants={"no layer decay": {}, "layer decay 0.9": {"training.layer_decay": 0.9}},
        sets=(_fewer("snips", 400), SETS["magnetic_tile"], SETS["cifar10_2k"], SETS["pokemon"]),
        reference="no layer decay",
    ),
    "adapter": Group(
        variants={
            "none": {},
            **{
                name: {"backbones.text.adapter": name}
                for name in ("lora", "dora", "ia3", "bitfit", "norm_tuning", "partial", "frozen")
            },
        },
        sets=(SETS["snips"],),
        reference="none",
    ),
    "augment": Group(
        variants={
            name: {"inputs.image.processor.augment": name} for name in ("light", "strong", "none")
        },
        sets=(_TILE.with_epochs(3), _TILE.with_epochs(10), _CIFAR, _CIFAR.with_epochs(10)),
        reference="light",
    ),
    "image": Group(
        variants={
            **{
                f"rate {rate:g}, layer decay {decay:g}": _rate(rate, decay)
                for rate in (1e-4, 3e-4, 1e-3)
                for decay in (0.9, 1.0)
            },
        },
        sets=(_TILE, _CIFAR),
        reference="rate 0.0001, layer decay 0.9",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--group", required=True, choices=GROUPS)
    parser.add_argument("--out", type=Path, help="results/ablation_<group>.json if not given")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="fits at a time, one thread each")
    arguments = parser.parse_args()
    group = GROUPS[arguments.group]
    results = Path(__file__).parent / "results"
    out = arguments.out or results / f"ablation_{arguments.group}.json"
    definitions = json.loads(json.dumps({one.name: one.to_json() for one in group.sets}))
    found = json.loads(out.read_text()) if out.exists() else {}
    if found.get("definitions") != definitions:
        found = {"scores": {}}
    found |= {
        "definitions": definitions,
        "variants": group.variants,
        "reference": group.reference,
        "machine": machine(1),
        "versions": versions(),
    }
    fits = [
        fit
        for fit in product(range(arguments.seeds), group.sets, group.variants)
        if str(fit[0]) not in found["scores"].get(fit[1].name, {}).get(fit[2], {})
    ]
    with ProcessPoolExecutor(arguments.jobs, get_context("spawn")) as pool:
        score = partial(_score, arguments.data.resolve(), group)
        for (seed, one, name), reached in zip(fits, pool.map(score, fits), strict=True):
            found["scores"].setdefault(one.name, {}).setdefault(name, {})[str(seed)] = reached
            print(f"{one.name} seed {seed} {name}: {reached:.4f}", flush=True)
            out.write_text(json.dumps(found, indent=1))
    print("\n".join(ablation(found)))


def _score(data: Path, group: Group, fit: tuple[int, BenchmarkSet, str]) -> float:
    """What one fit reaches, on one thread: so the number of jobs changes no score."""
    torch.set_num_threads(1)
    seed, one, name = fit
    rows = draw(one, data, seed, development=True)
    return float(run(one, rows, seed, changes=group.variants[name])["score"])


if __name__ == "__main__":
    main()
