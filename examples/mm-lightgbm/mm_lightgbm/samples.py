"""What the conformance tests try fitter and runtime on."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
from mm_core.api import Batch, SampleColumn, SampleEngine, Samples, SampleTask, Trial

from mm_lightgbm.booster import TreeEngine
from mm_lightgbm.features import matrix

_N = 48
_SMALL = {"rounds": 60, "min_rows": 2, "learning_rate": 0.2, "threads": 1}


def _table() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    missing = rng.random((_N, 2)) < 0.1
    return {
        "numerical": np.where(missing, 0, rng.normal(size=(_N, 2))).astype(np.float32),
        "missing": missing,
        "categorical": rng.integers(0, 5, (_N, 1)),
    }


def _batch() -> Batch:
    return Batch(inputs={"tabular": _table()}, present={"tabular": np.ones(_N, dtype=bool)})


def _engine() -> TreeEngine:
    data = lgb.Dataset(
        matrix(_batch()),
        np.arange(_N) % 3,
        categorical_feature=[2],
        params={"min_data_in_leaf": 2, "verbose": -1},
    )
    params = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
    return TreeEngine(lgb.train(params, data, 5).model_to_string(), 3)


SAMPLES = Samples(
    tasks=(
        SampleTask(
            task="core:multiclass",
            label={"kind": [("a", "b", "c")[i * 7 % 5 % 3] for i in range(_N)]},
            columns=(
                SampleColumn(
                    "tabular",
                    "numerical",
                    [None if i % 11 == 5 else i * 7 % 5 + 0.01 * i for i in range(_N)],
                    name="height",
                ),
                SampleColumn(
                    "tabular",
                    "categorical",
                    [("north", "south", "west", "east", "here")[i * 7 % 5] for i in range(_N)],
                    name="place",
                ),
            ),
        ),
    ),
    engines=(SampleEngine(runtime="booster", engine=_engine, batch=_batch),),
    trials=(Trial("fitter", "trees", settings=_SMALL),),
)
