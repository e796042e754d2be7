"""What the conformance tests try the fitter and the runtime on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mm_core.api import Batch, SampleColumn, SampleEngine, Samples, SampleTask, Trial
from mm_tabicl import networks
from mm_tabicl.answers import Asked
from mm_tabicl.context import Context, matrix
from mm_tabicl.engine import InContextEngine
from mm_tabicl.tiny import CHECKPOINTS

_N = 48


def _batch() -> Batch:
    rng = np.random.default_rng(0)
    missing = rng.random((_N, 2)) < 0.1
    table = {
        "numerical": np.where(missing, 0, rng.normal(size=(_N, 2))).astype(np.float32),
        "missing": missing,
        "categorical": rng.integers(0, 5, (_N, 1)),
    }
    return Batch(inputs={"tabular": table}, present={"tabular": np.ones(_N, dtype=bool)})


def _engine(kind: str, answer: str) -> SampleEngine:
    numbers = kind == "numbers"

    def engine() -> InContextEngine:
        network = networks.read(Path(CHECKPOINTS[kind]))
        truth = np.linspace(-1, 1, _N, dtype=np.float32) if numbers else np.arange(_N) % 3
        asked = Asked(answer, 1 if numbers else 4, 0.9, 2, 2, 0.9, 0, "none")
        return InContextEngine(network, Context(matrix(_batch()), truth), asked, "cpu")

    return SampleEngine(runtime="in_context", engine=engine, batch=_batch)


SAMPLES = Samples(
    tasks=(
        SampleTask(
            task="core:multiclass",
            label={"kind": [("a", "b", "c")[i * 7 % _N // 16] for i in range(_N)]},
            columns=(
                SampleColumn(
                    "tabular",
                    "numerical",
                    [None if i % 11 == 5 else i * 7 % _N + 0.01 * i for i in range(_N)],
                    name="height",
                ),
                SampleColumn(
                    "tabular",
                    "categorical",
                    [("north", "south", "west")[i * 7 % _N // 16] for i in range(_N)],
                    name="place",
                ),
            ),
        ),
    ),
    engines=(
        _engine("classes", "classes"),
        _engine("numbers", "quantiles"),
    ),
    trials=(
        Trial("fitter", "in_context", {"checkpoint": CHECKPOINTS["classes"], "estimators": 2}),
    ),
)
