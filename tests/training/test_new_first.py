"""New networks beside pretrained ones learn by themselves first, at a pace of their own."""

from __future__ import annotations

import os

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch

import mm_core.training.first
import mm_core.training.held_out
from mm_core import MultiModalPredictor
from mm_core.api.fitting import FitResult
from tests.killed import KillAfter, kill_now, killed

WORDS = ["red", "green", "blue", "old", "new", "large", "small"]


@pytest.fixture(scope="module")
def rows():
    """What the label says stands in the numbers; the text is noise."""
    rng = np.random.default_rng(0)
    n = 240
    frame = pd.DataFrame({name: rng.normal(size=n) for name in ("a", "b")})
    notes = [" ".join(rng.choice(WORDS, 9)) + f" {i}" for i in range(n)]
    return frame.assign(note=notes, y=np.sin(2 * frame["a"]) + frame["b"])


@pytest.fixture
def predictor(random_weights):
    """A predictor of text beside a table, by tiny networks."""
    tiny = {key: value for key, value in random_weights.items() if "text" in key}

    def make(path=None, task=None, plugins=(), **settings):
        wished = tiny | {"training.epochs": 2, **settings}
        wished = {key: value for key, value in wished.items() if value is not None}
        return MultiModalPredictor(
            "y", task, verbosity=0, hyperparameters=wished, path=path, plugins=plugins
        )

    return make


class _Starts(pl.Callback):
    """The weights that each fit begins with."""

    def __init__(self):
        self.weights = []

    def on_train_start(self, trainer, module):
        state = module.topology.state_dict()
        self.weights.append({name: value.clone() for name, value in state.items()})


def test_the_plan_says_so_and_why(predictor, rows):
    recipe = predictor().plan(rows)
    assert recipe.training.new_first
    assert recipe.origin("training.new_first") == "backbone tabular:mlp beside others"
    off = predictor(**{"training.new_first": False}).plan(rows)
    assert not off.training.new_first
    assert off.origin("training.new_first") == "user"
    text = predictor().plan(rows, column_types={"a": "ignore", "b": "ignore"})
    table = MultiModalPredictor("y").plan(rows, column_types={"note": "ignore"})
    assert not text.training.new_first
    assert not table.training.new_first


def test_the_new_network_starts_with_what_it_learned_by_itself(predictor, rows):
    starts = {}
    for first in (True, False):
        seen = _Starts()
        predictor(**{"training.new_first": first}).fit(rows, callbacks=[seen])
        (starts[first],) = seen.weights  # a user's callback sees the fit itself, once
    changed = {
        name.split(".")[1]
        for name, value in starts[True].items()
        if not torch.equal(value, starts[False][name])
    }
    assert changed == {"tabular"}


def test_a_table_counts_beside_a_text_that_says_nothing(predictor, rows):
    scores = {}
    for first in (True, False):
        settings = {"training.new_first": first, "training.epochs": None}
        fitted = predictor(**settings).fit(rows.head(180))
        scores[first] = fitted.evaluate(rows.tail(60), "r2")["r2"]
    assert scores[True] > scores[False]


def test_models_of_one_kind_are_as_before(rows):
    answers = []
    for first in (True, False):
        settings = {"training.epochs": 2, "training.new_first": first}
        table = MultiModalPredictor("y", verbosity=0, hyperparameters=settings)
        answers.append(table.fit(rows, column_types={"note": "ignore"}).predict(rows))
    pd.testing.assert_series_equal(*answers, rtol=0, atol=0)


def test_it_may_take_a_share_of_the_time_only(predictor, rows, monkeypatch):
    asked = []
    train = mm_core.training.first._train_alone

    def watched(job, name, deadline):
        asked.append((name, deadline - mm_core.training.first.time.monotonic()))
        return train(job, name, deadline)

    monkeypatch.setattr(mm_core.training.first, "_train_alone", watched)
    predictor().fit(rows, time_limit=1000)
    ((name, seconds),) = asked
    assert name == "tabular"
    assert 200 < seconds <= 250


def test_other_fitters_of_networks_do_it_too(predictor, rows, tmp_path):
    """Distilled, and on latents: their plans say so, and they start with what it learned."""
    teacher = tmp_path / "teacher"
    predictor(teacher, **{"training.new_first": False}).fit(rows)
    for fit in (
        {"fit": "fusion:cached"},
        {"fit": "ensemble:distilled", "fit.teacher": str(teacher)},
    ):
        starts = []
        for settings in ({}, {"training.new_first": False}):
            seen = _Starts()
            predictor(**fit, **settings).fit(rows, callbacks=[seen])
            starts += seen.weights
        same = {name: torch.equal(value, starts[1][name]) for name, value in starts[0].items()}
        assert {"tabular" in name for name, equal in same.items() if not equal} == {True}


def test_a_table_that_is_better_alone_is_told(predictor, rows, monkeypatch, caplog):
    """With what to compare, and only then: the text is noise, and the label in the table."""
    caplog.set_level("INFO", logger="mm_core")
    train = mm_core.training.first._train_alone
    for error, told in ((0.0, 1), (1e9, 0)):  # of the table by itself
        caplog.clear()
        given = FitResult([], error, "all epochs")
        monkeypatch.setattr(
            mm_core.training.first, "_train_alone", lambda *job, given=given: train(*job) and given
        )
        predictor().fit(rows)
        said = [one for one in caplog.messages if "On the held-out rows tabular by itself" in one]
        assert len(said) == told
        assert all("column_types={'note': 'ignore'}" in one for one in said)


OWN_TASK = """
from mm_core.api import PluginInfo, hookimpl
from mm_core.builtin import plugin as core

@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Regression, as a task that no preset knows.")

@hookimpl
def mm_tasks():
    (known,) = (spec for spec in core.mm_tasks() if spec.name == "regression")
    return [known.model_copy(update={"name": "amount"})]
"""

PRESET_OF_NO_FITTER = """
from mm_core.api import PluginInfo, PresetSpec, hookimpl

@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="A preset that names a fitter which is not installed.")

@hookimpl
def mm_presets():
    values = {"fit.id": "absent:fit"}
    tasks = ("core:regression",)
    return [PresetSpec(name="best_quality", summary="-", components=tasks, values=values)]
"""


@pytest.mark.parametrize(
    ("code", "task", "absent", "said"),
    [
        (OWN_TASK, "regression", "", ", or let an ensemble weigh both: presets="),
        (OWN_TASK, "regression", "ensemble", "weigh both: pip install mm-ensemble, then presets="),
        (OWN_TASK, "amount", "", "(--column-type COLUMN=ignore)."),
        (OWN_TASK, "amount", "ensemble", "(--column-type COLUMN=ignore)."),
        (PRESET_OF_NO_FITTER, "regression", "", "(--column-type COLUMN=ignore)."),
        (PRESET_OF_NO_FITTER, "regression", "ensemble", "(--column-type COLUMN=ignore)."),
    ],
)
def test_an_ensemble_is_advised_where_there_is_one_as_it_can_be_typed(
    predictor, rows, tmp_path, monkeypatch, caplog, code, task, absent, said
):
    monkeypatch.setenv("MM_DISABLE_PLUGINS", absent)
    plugin = tmp_path / "own.py"
    plugin.write_text(code, encoding="utf-8")
    caplog.set_level("INFO", logger="mm_core")
    given = FitResult([], 0.0, "all epochs")
    monkeypatch.setattr(mm_core.training.first, "_train_alone", lambda *job: given)
    fitted = predictor(task=task, plugins=[plugin]).fit(rows)
    assert len(fitted.predict(rows)) == len(rows)
    (told,) = [one for one in caplog.messages if "On the held-out rows tabular by itself" in one]
    assert told.endswith(
        f"{said}{'best_quality'!r} (--preset best_quality)." if said.endswith("=") else said
    )


def test_ctrl_c_while_it_learns_by_itself_ends_the_fit(predictor, rows, monkeypatch):
    interrupted = FitResult([], None, "interrupted")
    monkeypatch.setattr(mm_core.training.first, "_train_alone", lambda *given: interrupted)
    fitted = predictor().fit(rows)
    assert fitted._fitted.result.stopped == "interrupted"
    assert fitted.history["step"].tolist() == [1]


@pytest.mark.skipif(
    not hasattr(os, "fork") or torch.cuda.is_available(), reason="forks, which a GPU survives not"
)
def test_a_fit_taken_up_or_trained_further_does_not_begin_anew(
    predictor, rows, tmp_path, monkeypatch
):
    settings = {"training.save_every": 0.0}
    whole = predictor(tmp_path / "whole", **settings).fit(rows)
    killed(lambda: predictor(tmp_path / "cut", **settings).fit(rows, callbacks=[KillAfter(8)]))

    def refuse(*given):
        raise AssertionError("trained from the start")

    monkeypatch.setattr(mm_core.training.first, "_train_alone", refuse)
    resumed = MultiModalPredictor.load(tmp_path / "cut", resume=True, verbosity=0).fit(rows)
    pd.testing.assert_series_equal(resumed.predict(rows), whole.predict(rows), rtol=0, atol=0)
    monkeypatch.undo()

    def cut_after_the_training():
        calibrate, of = mm_core.training.held_out.HeldOut.calibrate, []

        def second(self, *given, **named):
            of.append(self)  # the first is that of the table by itself
            return kill_now() if len(of) == 2 else calibrate(self, *given, **named)

        mm_core.training.held_out.HeldOut.calibrate = second
        predictor(tmp_path / "late", **settings).fit(rows)

    killed(cut_after_the_training)
    monkeypatch.setattr(mm_core.training.first, "_train_alone", refuse)
    late = MultiModalPredictor.load(tmp_path / "late", resume=True, verbosity=0).fit(rows)
    pd.testing.assert_series_equal(late.predict(rows), whole.predict(rows), rtol=0, atol=0)
    resumed.fit(rows, hyperparameters={"training.epochs": 1})
