"""A time limit, by a clock that costs no time: a batch takes 1 s, a validation 3 s."""

from __future__ import annotations

from types import SimpleNamespace

import lightning.pytorch as pl
import pytest

import mm_core.predictor
import mm_core.training.validation
from mm_core import MultiModalPredictor


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
    for module in (mm_core.predictor, mm_core.training.validation):
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
