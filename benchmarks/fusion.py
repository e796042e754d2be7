"""All fusion heads on the same latents, and what the parts of the fusion lab are worth.

    OMP_NUM_THREADS=1 python -m benchmarks.fusion --data DIR

Training rows only: every split draws the rows that are scored from ``train.csv``. The encoders
(all-MiniLM-L6-v2, EfficientNet-Lite0) are frozen and run once a row; the table's transformer stays
as it was drawn, so that all heads read the same. ``heads``: every head, five splits, three sets.
Nothing is tuned: all heads have their own defaults and the same epochs and rates. Runs go to
``build/fusion/`` as they end, and an interrupted benchmark goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.frozen import remember
from benchmarks.place import machine, versions

POOLED = (
    *("core:concat_mlp", "core:mean", "core:logit"),
    *("fusion:gmu", "fusion:gated_residual", "fusion:film", "fusion:moe", "fusion:tfn"),
    *("fusion:lmf", "fusion:deepset", "fusion:cls_transformer"),
)
"""The first is what the others are compared with."""

CLASSES = ("fusion:tmc",)
"""For classes alone."""

TOKENS = ("fusion:cross_attention", "fusion:mbt", "fusion:perceiver")

FIXED = {
    "fit": "fusion:cached",
    "fit.keep": ["pooled", "tokens"],
    "backbones.tabular.id": "tabular:ft_transformer",
    "backbones.tabular.width": 64,
    "backbones.tabular.n_blocks": 1,
    "training.epochs": 10,
    "training.batch_size": 32,
    "training.head_learning_rate": 1e-3,
}


@dataclass(frozen=True)
class Table:
    """A folder with ``train.csv``: its label, its score, rows at most, settings of its inputs."""

    label: str
    metric: str
    rows: int
    settings: dict[str, Any] = field(default_factory=dict)


SETS = {
    "pokemon": Table(
        "type",
        "accuracy",
        1000,
        {"inputs.image.processor.image_size": 96, "inputs.text.processor.max_length": 32},
    ),
    "houses": Table("price", "r2", 1000, {"inputs.image.processor.image_size": 96}),
    "airline_tweets": Table(
        "sentiment", "accuracy", 1000, {"inputs.text.processor.max_length": 32}
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/fusion.json"))
    parser.add_argument("--work", type=Path, default=Path("build/fusion"))
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    remember()
    for part in asked.parts.split(","):
        for name, found in PARTS[part](asked):
            said = json.loads(asked.out.read_text()) if asked.out.is_file() else {}
            said.setdefault(part, {})[name] = found
            said |= {"machine": machine(torch.get_num_threads()), "versions": versions()}
            asked.out.write_text(json.dumps(said, indent=1) + "\n")


def _rows(asked: argparse.Namespace, name: str) -> Any:
    """The training rows of a set, at most as many as it has in ``SETS``."""
    from mm_core.api.tools import installed, read_rows

    table = read_rows(asked.data / name / "train.csv", installed([])).table
    return table.take(np.arange(min(SETS[name].rows, len(table))))


def _heads(asked: argparse.Namespace) -> Found:
    """Every head on the same splits, and the differences to the default; cheap ones first."""
    for more in (False, True):
        for seeds in range(1, asked.seeds + 1):
            for name in asked.sets.split(","):
                heads = POOLED + (CLASSES if SETS[name].metric == "accuracy" else ())
                yield name, _compared(asked, name, heads + (TOKENS if more else ()), seeds)


def _compared(
    asked: argparse.Namespace, name: str, heads: tuple[str, ...], seeds: int
) -> dict[str, Any]:
    from mm_compare.api import compare

    rows, started = _rows(asked, name), time.process_time()
    found = compare(
        rows,
        SETS[name].label,
        {"fusion": heads},
        seeds,
        hyperparameters=FIXED | SETS[name].settings,
        eval_metric=SETS[name].metric,
        folder=asked.work / name,
        tell=lambda line: print(name, line, flush=True),
    )
    print(f"{time.process_time() - started:.0f} seconds of the processor", flush=True)
    return {
        "metric": found.metric,
        "rows": len(rows),
        "table": json.loads(found.table.round(4).to_json(orient="records")),
        "runs": json.loads(found.runs.round(4).to_json(orient="records")),
    }


Found = Iterator[tuple[str, dict[str, Any]]]
"""What is measured, and what came of it so far: the last word on a name counts."""

PARTS: dict[str, Callable[[argparse.Namespace], Found]] = {"heads": _heads}


if __name__ == "__main__":
    main()
