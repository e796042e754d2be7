"""What a user sees while a model is fitted."""

from __future__ import annotations

import io
import itertools
import logging
import sys
import time
from types import SimpleNamespace

import pytest
from lightning.pytorch.callbacks import TQDMProgressBar

import mm_core.training.loop.progress
from mm_core import MultiModalPredictor
from mm_core.api import ConfigError

SETTINGS = {"training.epochs": 3}


def _fit(frame, verbosity, **arguments):
    settings = SETTINGS | arguments.pop("settings", {})
    return MultiModalPredictor("kind", hyperparameters=settings, verbosity=verbosity).fit(
        frame, **arguments
    )


@pytest.fixture
def seconds(monkeypatch):
    """Each look at the clock of the report takes a second."""
    monkeypatch.setattr(
        mm_core.training.loop.progress,
        "time",
        SimpleNamespace(
            monotonic=itertools.count(0.0).__next__,
            time=time.time,
            localtime=time.localtime,
            strftime=time.strftime,
        ),
    )


@pytest.fixture
def handler():
    """A user's own handler of ``mm_core``, in memory."""
    logger, written = logging.getLogger("mm_core"), io.StringIO()
    found = logging.StreamHandler(written)
    found.setFormatter(logging.Formatter("%(name)s|%(levelname)s|%(message)s"))
    logger.addHandler(found)
    yield written
    logger.removeHandler(found)
    logger.setLevel(logging.NOTSET)


def test_a_line_per_validation_where_there_is_no_terminal(small_table, capsys):
    predictor = _fit(small_table, 2)
    err = capsys.readouterr().err
    lines = [line for line in err.splitlines() if line.startswith("epoch")]
    assert len(lines) == 3
    last = predictor.history.iloc[-1]
    assert f"loss {last['loss']:.4f}  validation roc_auc {last['roc_auc']:.4f}" in lines[-1]


def test_a_line_every_few_seconds_within_an_epoch(small_table, capsys, seconds):
    _fit(small_table, 2, settings={"training.batch_size": 2, "training.epochs": 1})
    lines = [line for line in capsys.readouterr().err.splitlines() if "rows/s" in line]
    # 32 batches, each a look at the clock, and a line after every fifth of them.
    assert len(lines) == 6
    assert lines[0].startswith("epoch 0.16/1  step 5/32  loss ")
    assert all(line.endswith(" left") for line in lines)


@pytest.mark.usefixtures("on_cpu")
def test_rows_parameters_and_the_device_are_told_first(small_table, capsys):
    predictor = _fit(small_table, 2)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "rows  80"
    count = sum(p.numel() for p in predictor._fitted.model.topology.parameters())
    said = f"64 rows to train on, 16 held out; {count:,} parameters; on cpu"
    assert any(line.startswith(said) for line in lines)


def test_the_end_is_told_where_there_is_a_limit(small_table, capsys):
    _fit(small_table, 2, time_limit=600, settings={"training.batch_size": 8})
    assert "time_limit: all 3 epochs fit by this pace, done in about " in capsys.readouterr().err


@pytest.mark.parametrize("verbosity", [0, 1])
def test_no_progress_below_verbosity_two(small_table, capsys, verbosity):
    _fit(small_table, verbosity)
    err = capsys.readouterr().err
    assert "epoch 1" not in err
    assert bool(err) == bool(verbosity)


def test_a_fit_has_a_verbosity_of_its_own(small_table, capsys):
    predictor = MultiModalPredictor("kind", hyperparameters=SETTINGS)
    predictor.fit(small_table, verbosity=0)
    assert not capsys.readouterr().err
    assert predictor.verbosity == 2
    with pytest.raises(ConfigError, match="verbosity=4"):
        predictor.fit(small_table, verbosity=4)


def test_a_bar_without_lines_on_a_terminal(small_table, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal
    monkeypatch.setenv("COLUMNS", "80")
    _fit(small_table, 2)
    shown = capsys.readouterr().err
    assert "epoch 1" not in shown
    assert "━" in shown


def test_a_users_progress_bar_takes_the_place_of_ours(small_table, capsys):
    _fit(small_table, 2, callbacks=[TQDMProgressBar()])
    assert "epoch 1  loss" not in capsys.readouterr().err


def test_a_cell_of_a_notebook_is_written_anew(small_table, capsys, monkeypatch, seconds):
    shown = []

    def display(data, raw, display_id):
        shown.append(data["text/plain"])
        return SimpleNamespace(update=lambda data, raw: shown.append(data["text/plain"]))

    notebook = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    _fit(small_table, 2, settings={"training.batch_size": 8})
    assert shown[0] == "training"
    assert "/24  loss " in shown[-2]
    assert "roc_auc" in shown[-2]
    assert shown[-1] == ""  # the lines of the summary stay, the bar does not
    assert "epoch 1" not in capsys.readouterr().err


# ---- Python's logging --------------------------------------------------------------------------


def test_who_configures_logging_reads_it_there(small_table, handler, capsys):
    logging.getLogger("mm_core").setLevel(logging.INFO)
    _fit(small_table, 0)
    assert not capsys.readouterr().err
    written = handler.getvalue()
    assert "mm_core.plan|INFO|rows  80" in written
    assert written.count("mm_core.progress|INFO|epoch") == 3
    assert "mm_core.fit|INFO|core:binary from" in written


def test_what_logging_prints_is_not_printed_twice(small_table, capsys):
    logger = logging.getLogger("mm_core")
    screen = logging.StreamHandler(sys.stderr)
    logger.addHandler(screen)
    logger.setLevel(logging.INFO)
    try:
        _fit(small_table, 2)
    finally:
        logger.removeHandler(screen)
        logger.setLevel(logging.NOTSET)
    assert capsys.readouterr().err.count("epoch 1  loss") == 1


def test_a_raised_level_silences_it(small_table, handler, capsys):
    logging.getLogger("mm_core.progress").setLevel(logging.WARNING)
    try:
        _fit(small_table, 2)
    finally:
        logging.getLogger("mm_core.progress").setLevel(logging.NOTSET)
    err = capsys.readouterr().err
    assert "epoch 1" not in err
    assert "best validation" in err


def test_a_fit_leaves_logging_as_it_was(small_table):
    loggers = (logging.getLogger(), logging.getLogger("mm_core"))
    before = [(one.level, list(one.handlers), one.propagate) for one in loggers]
    _fit(small_table, 2)
    assert [(one.level, list(one.handlers), one.propagate) for one in loggers] == before
    assert logging.getLogger("mm_core").level == logging.NOTSET
