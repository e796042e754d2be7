"""What the conformance tests try fitters and runtimes on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
from catboost import CatBoost
from sklearn.ensemble import HistGradientBoostingClassifier

from mm_core.api import Batch, SampleColumn, SampleEngine, Samples, SampleTask, Trial
from mm_trees.catboost_engine import CatBoostEngine, as_json, pool
from mm_trees.features import features, matrix
from mm_trees.hist_gradient_boosting_engine import HistGradientBoostingEngine, columns
from mm_trees.lightgbm_engine import LightGBMEngine
from mm_trees.skops_file import written

_N = 48
_NAMES = ("height", "width", "place")
_SMALL = {"rounds": 60, "learning_rate": 0.2, "threads": 1}


def _batch() -> Batch:
    rng = np.random.default_rng(0)
    missing = rng.random((_N, 2)) < 0.1
    table = {
        "numerical": np.where(missing, 0, rng.normal(size=(_N, 2))).astype(np.float32),
        "missing": missing,
        "categorical": rng.integers(0, 5, (_N, 1)),
    }
    return Batch(inputs={"tabular": table}, present={"tabular": np.ones(_N, dtype=bool)})


def _truth() -> Any:
    return np.arange(_N) % 3


def _catboost(classes: int) -> CatBoostEngine:
    loss = "MultiClass" if classes > 2 else "Logloss"
    model = CatBoost(
        {
            "loss_function": loss,
            "iterations": 5,
            "thread_count": 1,
            "allow_writing_files": False,
            "logging_level": "Silent",
        }
    )
    model.fit(pool(features(_batch()), np.minimum(_truth(), classes - 1)))
    with tempfile.TemporaryDirectory(prefix="mm-trees-") as folder:
        file = as_json(model, Path(folder))
    return CatBoostEngine([file], classes, _NAMES)


def _lightgbm(classes: int) -> LightGBMEngine:
    data = lgb.Dataset(
        matrix(features(_batch())),
        np.minimum(_truth(), classes - 1),
        categorical_feature=[2],
        params={"min_data_in_leaf": 2, "verbose": -1},
    )
    several = {"objective": "multiclass", "num_class": classes}
    params = several if classes > 2 else {"objective": "binary"}
    model = lgb.train({**params, "verbose": -1, "num_threads": 1}, data, 5)
    return LightGBMEngine([model.model_to_string().encode()], classes, _NAMES)


def _hist_gradient_boosting(classes: int) -> HistGradientBoostingEngine:
    model = HistGradientBoostingClassifier(
        max_iter=5, min_samples_leaf=2, categorical_features=[2], early_stopping=False
    )
    model.fit(columns(features(_batch())), np.minimum(_truth(), classes - 1))
    return HistGradientBoostingEngine([written(model)], classes, _NAMES)


def _engine(name: str, make: Callable[[int], Any], classes: int) -> SampleEngine:
    return SampleEngine(runtime=name, engine=lambda: make(classes), batch=_batch)


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
    engines=(
        _engine("catboost", _catboost, 3),
        _engine("lightgbm", _lightgbm, 2),
        _engine("hist_gradient_boosting", _hist_gradient_boosting, 3),
    ),
    trials=(
        Trial("fitter", "catboost", settings={**_SMALL, "depth": 3}),
        Trial("fitter", "lightgbm", settings={**_SMALL, "min_rows": 2}),
        Trial("fitter", "hist_gradient_boosting", settings={**_SMALL, "min_rows": 2}),
        Trial(
            "command",
            "importances",
            settings={"arguments": ["{model}"]},
            xfail={"answers_as_text_and_as_json": "the kit's model is a network, and has none"},
        ),
    ),
)
