"""What the conformance tests try fitters and runtimes on."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from mm_core.api import Batch, Fitted, SampleEngine, Samples, Table, Trial
from mm_core.api.tools import MultiModalPredictor, model_of, result_of
from mm_core.testing.kit import KIT
from mm_ensemble.columns import EncodedColumns
from mm_ensemble.models import Member, Models

_ONE = {"one": "core:finetune", "trees": None, "leafwise": None, "features": None, "network": None}


def _rows(n: int) -> pd.DataFrame:
    """Points as the kit's own plugin reads them."""
    points = np.random.default_rng(0).normal(size=(n, 32))
    return pd.DataFrame(
        {"left": ["left " + " ".join(f"{x:.3f}" for x in point) for point in points]}
    )


@cache
def _fitted(seed: int) -> Fitted:
    rows = _rows(24).assign(kind=["a", "b"] * 12)
    settings = {"fit": "core:finetune", "training.epochs": 1, "training.seed": seed}
    predictor = MultiModalPredictor("kind", hyperparameters=settings, verbosity=0, plugins=[KIT])
    predictor.fit(rows)
    return Fitted(model_of(predictor), result_of(predictor))


@cache
def _models() -> Models:
    return Models({"network": Member([_fitted(0), _fitted(1)], 1.0)})


def _batch() -> Batch:
    table = Table(_rows(5), Path())
    return Batch(inputs={}, present={}, row_ids=np.arange(5), table=table)


@cache
def _encoded() -> EncodedColumns:
    rows = _rows(40).assign(kind=["a", "b"] * 20)
    settings = {"fit": "ensemble:features", "fit.learner.rounds": 5, "fit.learner.threads": 1}
    predictor = MultiModalPredictor("kind", hyperparameters=settings, verbosity=0, plugins=[KIT])
    engine = model_of(predictor.fit(rows)).engine
    assert isinstance(engine, EncodedColumns)
    return engine


SAMPLES = Samples(
    engines=(
        SampleEngine(runtime="models", engine=_models, batch=_batch),
        SampleEngine(runtime="features", engine=_encoded, batch=_batch),
    ),
    trials=(
        Trial("fitter", "greedy", {"members": _ONE}),
        Trial(
            "fitter",
            "bagged",
            {
                "members": {**_ONE, "other": "core:finetune"},
                "settings": {"other": {"training.seed": 1}},
                "folds": 2,
            },
        ),
        Trial("fitter", "frozen", xfail={"learns_end_to_end": "it trains nothing, as it says"}),
        Trial(
            "fitter",
            "distilled",
            {"teacher": "teacher"},
            xfail=dict.fromkeys(
                ("learns_end_to_end", "trains_new_networks_first"),
                "it needs a teacher: tests of its own have one",
            ),
        ),
        Trial("fitter", "features", {"learner": {"id": "trees:catboost", "threads": 1}}),
    ),
)
