"""What the conformance tests try fitter and runtime on."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from mm_core.api import Batch, Fitted, SampleEngine, Samples, Table, Trial
from mm_core.api.tools import MultiModalPredictor, model_of, result_of
from mm_core.testing.kit import KIT

from mm_bag.models import Models


def _rows(n: int) -> pd.DataFrame:
    """Points as the kit's own plugin reads them."""
    points = np.random.default_rng(0).normal(size=(n, 32))
    return pd.DataFrame(
        {"left": ["left " + " ".join(f"{x:.3f}" for x in point) for point in points]}
    )


@cache
def _engine() -> Models:
    rows = _rows(24).assign(kind=["a", "b"] * 12)
    folds = []
    for seed in (0, 1):
        settings = {"training.epochs": 1, "training.seed": seed}
        predictor = MultiModalPredictor(
            "kind", hyperparameters=settings, verbosity=0, plugins=[KIT]
        ).fit(rows)
        folds.append(Fitted(model_of(predictor), result_of(predictor)))
    return Models({"network": folds})


def _batch() -> Batch:
    table = Table(_rows(5), Path())
    return Batch(inputs={}, present={}, row_ids=np.arange(5), table=table)


SAMPLES = Samples(
    engines=(SampleEngine(runtime="models", engine=_engine, batch=_batch),),
    trials=(
        Trial("fitter", "bag"),
        Trial(
            "fitter",
            "bag",
            {
                "members": {"one": "core:finetune", "other": "core:finetune"},
                "settings": {"other": {"training.seed": 1}},
                "folds": 2,
            },
        ),
    ),
)
