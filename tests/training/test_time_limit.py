"""A time limit, by a clock that costs no time: a batch takes 1 s, a validation 3 s."""

from __future__ import annotations

import os
import shutil
import warnings
from types import SimpleNamespace

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch

import mm_core.session.fitting
import mm_core.training.fit
import mm_core.training.limited
import mm_core.training.loop.validation
from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, MMWarning
from tests.killed import KillAfter, killed

HEAD_RATE = 1e-3


class _Clock(pl.Callback):
    """Seconds that pass with batches and validations only."""

    def __init__(self):
        self.now = 1000.0
        self.ended = 0.0
        self.slow = 0

    def monotonic(self):
        return self.now

    def on_train_batch_start(self, trainer, module, batch, index):
        self.now += 10 if self.slow else 1
        self.slow = max(0, self.slow - 1)

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


class _EveryRate(pl.Callback):
    """The head's learning rate at each optimiser step."""

    def __init__(self):
        self.rates = []

    def on_before_optimizer_step(self, trainer, module, optimizer):
        self.rates.append(optimizer.param_groups[-1]["lr"])


def slow_accuracy_of(clock):
    def slow_accuracy(true, predicted):
        return clock.accuracy(true, predicted)

    return slow_accuracy


def _fit(clock, frame, limit, callbacks=(), path=None, **settings):
    predictor = MultiModalPredictor(
        "kind",
        eval_metric=slow_accuracy_of(clock),
        path=path,
        hyperparameters={
            "training.epochs": 1000,
            "training.patience": 1000,
            "training.batch_size": 8,  # 8 batches an epoch
            "task.threshold": 0.5,  # none is searched for, by the metric
            **settings,
        },
        verbosity=0,
    )
    return predictor.fit(frame, time_limit=limit, callbacks=[clock, *callbacks])


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
    # The metric is tried, two batches (a third would leave no time for the held-out rows, as the
    # second shows how fast rows go), a validation.
    assert clock.ended - 1000 == 3 + 2 + 3
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


@pytest.mark.parametrize(("limit", "accumulate"), [(25.0, 1), (60.0, 3), (150.0, 1)])
def test_the_schedule_is_laid_into_the_time(clock, small_table, limit, accumulate):
    settings = {
        "training.schedule": "linear",
        "training.warmup": 0.1,
        "training.epochs": 40,
        "training.accumulate": accumulate,
        "training.head_learning_rate": HEAD_RATE,
    }
    monitored = _EveryRate()
    predictor = _fit(clock, small_table, limit, callbacks=(monitored,), **settings)
    assert "time_limit" in predictor._fitted.result.stopped
    assert limit - 0.15 * limit - 4 <= clock.ended - 1000 <= limit + 1
    rates = np.array(monitored.rates) / HEAD_RATE
    assert rates.max() > 0.8  # warmed up in the time that there is
    assert rates[-1] < 0.2
    assert (np.diff(rates)[rates.argmax() :] <= 1e-9).all()


def test_a_limit_that_is_long_enough_changes_nothing(clock, small_table):
    settings = {"training.epochs": 3, "training.schedule": "cosine"}
    limited = _fit(clock, small_table, 1e4, **settings)
    free = _fit(clock, small_table, None, **settings)
    assert limited._fitted.result.stopped == free._fitted.result.stopped == "all epochs done"
    answers = [one.predict_proba(small_table).to_numpy() for one in (limited, free)]
    np.testing.assert_array_equal(*answers)


def test_time_that_comes_back_is_used(clock, small_table):
    """The first batches are ten times slower than the rest: all epochs fit after all."""
    clock.slow = 10
    settings = {"training.epochs": 6, "training.schedule": "linear"}
    monitored = _EveryRate()
    predictor = _fit(clock, small_table, 200, callbacks=(monitored,), **settings)
    assert predictor._fitted.result.stopped == "all epochs done"
    assert len(monitored.rates) == 6 * 8
    assert monitored.rates[-1] < 0.1 * max(monitored.rates)


@pytest.mark.skipif(
    not hasattr(os, "fork") or torch.cuda.is_available(), reason="forks, which a GPU survives not"
)
def test_a_resumed_fit_goes_on_in_the_schedule_it_was_in(clock, small_table, tmp_path):
    settings = {
        "training.schedule": "linear",
        "training.warmup": 0.0,
        "training.epochs": 40,
        "training.save_every": 0.0,
        "data.validation_metric": "core:log_loss",
    }
    whole, resumed = _EveryRate(), _EveryRate()
    _fit(clock, small_table, 60, callbacks=(whole,), **settings)
    clock.now = 1000.0
    killed(
        lambda: _fit(
            clock, small_table, 60, callbacks=(KillAfter(21),), path=tmp_path / "m", **settings
        )
    )
    for limit in (None, 30):
        shutil.copytree(tmp_path / "m", tmp_path / f"of {limit}")
        predictor = MultiModalPredictor.load(
            tmp_path / f"of {limit}", resume=True, eval_metric=slow_accuracy_of(clock)
        )
        resumed.rates.clear()
        predictor.fit(small_table, time_limit=limit, callbacks=[clock, resumed], verbosity=0)
        assert resumed.rates[0] == pytest.approx(whole.rates[20], rel=0.05)
        assert resumed.rates[-1] < 0.05 * whole.rates[0]
        assert (np.diff(resumed.rates) <= 0).all()


@pytest.mark.parametrize("limit", [0, -1.0, True, "60"])
def test_a_time_limit_is_seconds_above_0(small_table, fit_table, limit):
    with pytest.raises(ConfigError, match="time_limit=") as caught:
        fit_table(small_table, time_limit=limit)
    assert caught.value.remedy == "give seconds above 0"
