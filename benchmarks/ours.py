"""One run of the product on one set: its defaults, but for the shared budget."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.rows import Rows, score
from benchmarks.sets import BenchmarkSet
from benchmarks.settings import settings
from mm_core import MultiModalPredictor


def run(
    one: BenchmarkSet,
    rows: Rows,
    seed: int,
    only: str | None = None,
    own: bool = False,
    changes: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Fit with the held-out rows as tuning data, score the test rows once.

    Args:
        one: the set.
        rows: its rows.
        seed: of the fit.
        only: the one modality that is used; None: all.
        own: train by the product's own epochs and batch size instead of the shared ones.
        changes: settings that are tried out on development rows.
    """
    columns = one.modalities if only is None else {only: one.modalities[only]}
    left_out = [c for name, cs in one.modalities.items() for c in cs if name not in columns]
    started = time.perf_counter()
    predictor = MultiModalPredictor(
        label=one.label,
        hyperparameters={**settings(one, list(columns), own), **(changes or {})},
        verbosity=0,
    )
    predictor.fit(
        rows.train,
        tuning_data=rows.held,
        column_types=dict.fromkeys(left_out, "ignore"),
        seed=seed,
    )
    fitted = time.perf_counter()
    found = score(one, rows.test[one.label], _answer(one, predictor, rows.test))
    history = predictor.history
    return {
        "score": found,
        "fit_seconds": fitted - started,
        "predict_seconds": time.perf_counter() - fitted,
        "validation": history[history.columns[-1]].tolist(),
        "settings": {
            **predictor.recipe.flat(),
            "columns": predictor.column_types,
        },
    }


def _answer(one: BenchmarkSet, predictor: MultiModalPredictor, test: pd.DataFrame) -> np.ndarray:
    inputs = test.drop(columns=one.label)
    if one.metric == "roc_auc":
        return np.asarray(predictor.predict_proba(inputs, as_multiclass=False))
    return np.asarray(predictor.predict(inputs))
