"""Whether more or less of a user's function is better."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor


def _error(true, answers):
    return float(np.sqrt(np.mean((true - answers) ** 2)))


def _named(name, **attributes):
    def function(true, answers):
        return _error(true, answers)

    function.__name__ = name
    for attribute, value in attributes.items():
        setattr(function, attribute, value)
    return function


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=120)
    return pd.DataFrame({"x": x, "y": 3 * x + rng.normal(size=120)})


@pytest.mark.parametrize(
    ("metric", "smallest"),
    [
        (_named("rmse"), True),
        (_named("MAE"), True),
        (_named("mape"), True),
        (_named("my_error"), True),
        (_named("distance", higher_is_better=False), True),
        (_named("r2"), False),
        (_named("distance"), False),
        (_named("rmse", higher_is_better=True), False),
        (_named("my_error", higher_is_better=True), False),
    ],
)
def test_the_best_validation_is_the_one_of_the_wanted_direction(rows, metric, smallest):
    settings = {"training.epochs": 4, "training.batch_size": 16}
    predictor = MultiModalPredictor(
        "y", eval_metric=metric, hyperparameters=settings, verbosity=0
    ).fit(rows)
    scores = predictor.history[metric.__name__]
    assert scores.nunique() > 1
    assert predictor._fitted.result.best_score == (scores.min() if smallest else scores.max())
