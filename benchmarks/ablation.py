"""What each part of the training recipe adds, on training rows only.

    python -m benchmarks.ablation --data DIR --group recipe --seeds 3
    python -m benchmarks.ablation --data DIR --group image --seeds 3

Each variant changes one thing of the defaults. A quarter of train.csv, drawn by the seed, is
scored; test.csv is not read. All variants of a (set, seed) see the same rows. Results are written
after every fit; a fit that stands in the file is not repeated.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.ours import run
from benchmarks.place import machine, versions
from benchmarks.report_ablation import ablation
from benchmarks.rows import draw
from benchmarks.sets import SETS, BenchmarkSet, Budget

Variants = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Group:
    """Variants, the sets they are tried on, and the one they are compared with."""

    variants: Variants
    sets: tuple[BenchmarkSet, ...]
    reference: str = "default"


def _rate(rate: float, decay: float) -> dict[str, Any]:
    return {"backbones.image.learning_rate": rate, "training.layer_decay": decay}


_CIFAR = BenchmarkSet(
    name="cifar10_2k",
    label="label",
    metric="accuracy",
    budget=Budget(epochs=3, batch_size=32, image_size=64),
    image="image",
)
_TILE = replace(SETS["magnetic_tile"], budget=replace(SETS["magnetic_tile"].budget, epochs=5))

GROUPS = {
    "recipe": Group(
        variants={
            "default": {},
            "constant schedule": {"training.schedule": "constant"},
            "linear schedule": {"training.schedule": "linear"},
            "no warm-up": {"training.warmup": 0.0},
            "no clipping": {"training.clip_norm": None},
            "no layer decay": {"training.layer_decay": 1.0},
            "no weight decay": {"training.weight_decay": 0.0},
            "one learning rate": {"training.head_learning_rate": 1e-4},
            "greedy soup": {"training.average": "greedy_soup"},
            "uniform soup": {"training.average": "uniform_soup"},
            "moving average": {"training.average": "ema"},
        },
        sets=(
            *(SETS[name] for name in ("snips", "pokemon", "churn", "california_housing")),
            _TILE,
        ),
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
    arguments = parser.parse_args()
    group = GROUPS[arguments.group]
    results = Path(__file__).parent / "results"
    out = arguments.out or results / f"ablation_{arguments.group}.json"
    found = json.loads(out.read_text()) if out.exists() else {"scores": {}}
    for seed in range(arguments.seeds):
        for one in group.sets:
            rows = draw(one, arguments.data.resolve(), seed, development=True)
            for name, changes in group.variants.items():
                scores = found["scores"].setdefault(one.name, {}).setdefault(name, {})
                if str(seed) in scores:
                    continue
                scores[str(seed)] = run(one, rows, seed, changes=changes)["score"]
                print(f"{one.name} seed {seed} {name}: {scores[str(seed)]:.4f}", flush=True)
                found |= {
                    "definitions": {one.name: one.to_json() for one in group.sets},
                    "variants": group.variants,
                    "reference": group.reference,
                    "machine": machine(torch.get_num_threads()),
                    "versions": versions(),
                }
                out.write_text(json.dumps(found, indent=1))
    print("\n".join(ablation(found)))


if __name__ == "__main__":
    main()
