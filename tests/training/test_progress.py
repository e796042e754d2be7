"""What a user sees while a model is fitted."""

from __future__ import annotations

import pytest
from lightning.pytorch.callbacks import TQDMProgressBar

from mm_core import MultiModalPredictor

SETTINGS = {"training.epochs": 3}


def _fit(frame, verbosity, **arguments):
    return MultiModalPredictor("kind", hyperparameters=SETTINGS, verbosity=verbosity).fit(
        frame, **arguments
    )


def test_a_line_per_validation_where_there_is_no_terminal(small_table, capsys):
    predictor = _fit(small_table, 2)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch")]
    assert len(lines) == 3
    last = predictor.history.iloc[-1]
    assert f"loss {last['loss']:.4f}  validation roc_auc {last['roc_auc']:.4f}" in lines[-1]


@pytest.mark.parametrize("verbosity", [0, 1])
def test_no_progress_below_verbosity_two(small_table, capsys, verbosity):
    _fit(small_table, verbosity)
    assert "epoch 1" not in capsys.readouterr().err


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
