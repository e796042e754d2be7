"""Ctrl-C, wherever a fit stands: it ends early, and its model is returned."""

from __future__ import annotations

import signal
import warnings

import lightning.pytorch as pl
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import MMWarning


@pytest.fixture(autouse=True)
def _default_handler():
    """As in the foreground: the tests may run in the background, where Ctrl-C does nothing."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class _CtrlC(pl.Callback):
    """After the first batch."""

    pressed = False

    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        if not self.pressed:
            self.pressed = True
            signal.raise_signal(signal.SIGINT)


def test_an_interrupt_waits_for_the_first_step(small_table, fit_table):
    settings = {"training.batch_size": 8, "training.accumulate": 4}
    predictor = fit_table(small_table, hyperparameters=settings, callbacks=_CtrlC())
    assert predictor.history["step"].tolist() == [1]
    assert predictor._fitted.result.stopped == "interrupted"


class _Interrupting:
    """Share of right answers; Ctrl-C at some of its calls."""

    __name__ = "interrupting"

    def __init__(self, first, times=1):
        self.calls = 0
        self.first = first
        self.times = times

    def __call__(self, true, answers):
        self.calls += 1
        if self.first <= self.calls < self.first + self.times:
            signal.raise_signal(signal.SIGINT)
        return float((true == answers).mean())


def _fit_interrupted(frame, metric, **settings):
    settings = {"training.epochs": 6, "training.batch_size": 16} | settings
    predictor = MultiModalPredictor("kind", None, None, metric, "log_loss", settings, verbosity=0)
    return predictor.fit(frame)


@pytest.fixture
def many(small_table):
    """Enough held-out rows of either kind to search for a threshold."""
    return pd.concat([small_table] * 3, ignore_index=True)


def test_an_interrupt_ends_the_search_for_a_threshold(many):
    metric = _Interrupting(first=3)
    with pytest.warns(MMWarning, match="interrupted") as told:
        predictor = _fit_interrupted(many, metric)
    assert metric.calls == 3
    assert len(told) == 1
    assert predictor._fitted.model.task.calibration.threshold == 0.5
    assert predictor.predict(many).notna().all()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_of_the_last_score_keeps_the_model(many):
    settings = {"task.threshold": 0.5}
    undisturbed = _Interrupting(first=99)
    _fit_interrupted(many, undisturbed, **settings)
    metric = _Interrupting(first=undisturbed.calls)
    predictor = _fit_interrupted(many, metric, **settings)
    assert metric.calls == undisturbed.calls
    assert predictor.predict(many).notna().all()


def test_a_second_interrupt_of_the_search_is_a_keyboard_interrupt(many):
    class Twice(_Interrupting):
        def __call__(self, true, answers):
            super().__call__(true, answers)
            return super().__call__(true, answers)

    with pytest.raises(KeyboardInterrupt):
        _fit_interrupted(many, Twice(first=3, times=2))


@pytest.mark.parametrize("average", ["greedy_soup", "uniform_soup"])
@pytest.mark.parametrize(
    ("first", "ends"), [(1 + 6, "soup is left out"), (1 + 7, "soup ends"), (1 + 3, "training ends")]
)
def test_an_interrupt_ends_a_soup(many, first, ends, average):
    metric = _Interrupting(first)
    settings = {
        "training.epochs": 6,
        "training.batch_size": 16,
        "training.patience": 99,
        "training.average": average,
        "task.threshold": 0.5,
    }
    predictor = MultiModalPredictor("kind", None, None, metric, None, settings, verbosity=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MMWarning)
        predictor.fit(many)
    assert metric.calls == first + 1  # of the calibrated model
    told = [str(one.message) for one in caught if one.category is MMWarning]
    cut_short = average == "greedy_soup" or ends != "soup ends"
    assert ["interrupted" in one for one in told] == [True] * cut_short
    stopped = "interrupted" if ends in ("training ends", "soup is left out") else "all epochs done"
    assert predictor._fitted.result.stopped == stopped
    if ends != "soup ends":
        assert predictor._fitted.result.best_score == predictor.history["interrupting"].max()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
