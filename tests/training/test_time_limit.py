"""A time limit, by a clock that costs no time: a batch takes 1 s, a validation 3 s."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest

import mm_core.session.fitting
import mm_core.training.fit
import mm_core.training.limited
import mm_core.training.loop.validation
from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, MMWarning


class _Clock(pl.Callback):
    """Seconds that pass with batches and validations only."""

    def __init__(self):
        self.now = 1000.0
        self.ended = 0.0

    def monotonic(self):
        return self.now

    def on_train_batch_start(self, trainer, module, batch, index):
        self.now += 1

    def on_train_end(self, trainer, module):
        self.ended = self.now

    def accuracy(self, true, predicted):
        """A metric that takes 3 s."""
        self.now += 3
        return float((true == predicted).mean())


@pytest.fixture
def clock(monkeypatch):
    found = _Clock()
    for module in (
        mm_core.session.fitting,
        mm_core.training.limited,
        mm_core.training.fit,
        mm_core.training.loop.validation,
    ):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=found.monotonic))
    return found


def _fit(clock, frame, limit, **settings):
    def slow_accuracy(true, predicted):
        return clock.accuracy(true, predicted)

    predictor = MultiModalPredictor(
        "kind",
        eval_metric=slow_accuracy,
        hyperparameters={
            "training.epochs": 1000,
            "training.patience": 1000,
            "training.batch_size": 8,  # 8 batches an epoch
            "task.threshold": 0.5,  # none is searched for, by the metric
            **settings,
        },
        verbosity=0,
    )
    return predictor.fit(frame, time_limit=limit, callbacks=[clock])


@pytest.mark.parametrize("average", ["best", "ema", "uniform_soup", "greedy_soup"])
@pytest.mark.parametrize("limit", [33.0, 60.0])
def test_the_last_validation_ends_in_time(clock, small_table, limit, average):
    predictor = _fit(clock, small_table, limit, **{"training.average": average})
    result = predictor._fitted.result
    assert "time_limit" in result.stopped
    took = clock.ended - 1000
    assert limit - 3 - 0.1 * limit <= took <= limit + 1
    # No time is left to try soups: the best of the validations stands.
    assert result.best_score == predictor.history["slow_accuracy"].max()


def test_the_best_weights_stand(clock, small_table):
    train, tuning = small_table.iloc[:60], small_table.iloc[60:]
    settings = {
        "training.head_learning_rate": 0.3,  # scores go up and down
        "training.epochs": 1000,
        "training.patience": 1000,
        "training.batch_size": 10,
        "data.validation_metric": "core:log_loss",
        "task.temperature": False,
    }
    predictor = MultiModalPredictor("kind", hyperparameters=settings, verbosity=0)
    predictor.fit(train, tuning_data=tuning, time_limit=60, callbacks=[clock])
    losses = predictor.history["log_loss"]
    assert losses.min() < losses.iloc[-1]
    assert predictor.evaluate(tuning, "log_loss")["log_loss"] == pytest.approx(losses.min())


def test_a_limit_shorter_than_an_epoch_still_gives_a_model(clock, small_table):
    predictor = _fit(clock, small_table, 5.5)
    assert clock.ended - 1000 == 3 + 3 + 3  # the metric is tried, three batches, a validation
    assert len(predictor.history) == 1
    assert predictor.predict(small_table).notna().all()


def test_steps_are_gathered_before_a_limit_ends_the_fit(clock, small_table):
    predictor = _fit(clock, small_table, 1e-3, **{"training.accumulate": 4})
    assert predictor.history["step"].tolist() == [1]
    assert "time_limit" in predictor._fitted.result.stopped


@pytest.mark.parametrize(("limit", "tried"), [(51.0, 1), (54.0, 2), (49.0, 0), (70.0, 3)])
@pytest.mark.parametrize("average", ["greedy_soup", "uniform_soup"])
def test_a_soup_ends_in_time(clock, small_table, limit, tried, average):
    """Four epochs of 11 s, with the trial before them 47 s; then 3 s for each soup, and 3 s for
    the calibrated model."""
    settings = {"training.epochs": 4, "training.average": average, "training.top_k": 4}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MMWarning)
        predictor = _fit(clock, small_table, limit, **settings)
    tried, all_of_them = (tried, 3) if average == "greedy_soup" else (min(tried, 1), 1)
    assert clock.now - 1000 == 47 + 3 * tried + 3
    told = [str(one.message) for one in caught if one.category is MMWarning]
    assert len(told) == (tried < all_of_them)
    assert all("time_limit reached" in one and average in one for one in told)
    if not tried:
        assert predictor._fitted.result.best_score == predictor.history["slow_accuracy"].max()


@pytest.fixture
def rare():
    rng = np.random.default_rng(0)
    y = rng.random(400) < 0.2
    return pd.DataFrame({"x": rng.normal(size=400) + 1.3 * y, "kind": np.where(y, "yes", "no")})


@pytest.mark.parametrize(("seconds", "ends"), [(3.0, True), (1e-4, False)])
def test_the_threshold_is_searched_for_while_there_is_time(clock, rare, seconds, ends):
    def slow_f1(true, predicted):
        clock.now += seconds
        right = ((true == predicted) & (true == "yes")).sum()
        return float(2 * right / ((true == "yes").sum() + (predicted == "yes").sum()))

    settings = {
        "training.epochs": 1000,
        "training.patience": 1000,
        "training.head_learning_rate": 0.01,
    }
    predictor = MultiModalPredictor(
        "kind",
        eval_metric=slow_f1,
        validation_metric="log_loss",
        hyperparameters=settings,
        verbosity=0,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MMWarning)
        predictor.fit(rare, time_limit=60, callbacks=[clock])
    assert "time_limit" in predictor._fitted.result.stopped
    assert clock.now - 1000 <= 60 * 1.1 + 3
    told = [str(one.message) for one in caught if one.category is MMWarning]
    assert len(told) == ends
    assert all("time_limit reached" in one and "slow_f1" in one for one in told)
    assert (predictor._fitted.model.task.calibration.threshold == 0.5) == ends
    assert predictor._fitted.model.task.calibration.temperature != 1.0


@pytest.mark.parametrize("limit", [0, -1.0, True, "60"])
def test_a_time_limit_is_seconds_above_0(small_table, fit_table, limit):
    with pytest.raises(ConfigError, match="time_limit=") as caught:
        fit_table(small_table, time_limit=limit)
    assert caught.value.remedy == "give seconds above 0"
