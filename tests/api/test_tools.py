"""mm_core.api.tools: light to import, and enough for what works on whole models."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from mm_core.api import BadCellError, ConfigError, RunSettings, Table, tools
from mm_core.api.specs import TaskSpec
from mm_core.testing.authoring.heavy import HEAVY


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A frame, and the folder of a model of it."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=80), "k": random.choice(["a", "b"], 80)})
    frame["y"] = np.where(frame["x"] > 0, "yes", "no")
    folder = tmp_path_factory.mktemp("tools") / "model"
    settings = {"training.epochs": 1, "backbones.tabular.width": 8}
    predictor = tools.MultiModalPredictor("y", hyperparameters=settings, verbosity=0)
    predictor.fit(frame).save(folder)
    return frame, folder


def test_importing_it_imports_nothing_heavy():
    code = "import sys, mm_core.api.tools; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(eval(done.stdout))
    assert imported & (HEAVY | {"mm_core.predictor", "mm_core.model", "typer"}) == set()


@pytest.mark.parametrize("name", tools.__all__)
def test_every_name_is_there(name):
    assert getattr(tools, name).__doc__


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="modle_of"):
        _ = tools.modle_of


def test_a_recipe_says_whether_its_loss_chose_the_metric_and_what_the_metric_is():
    rows = pd.DataFrame({"x": range(30), "y": np.linspace(0, 1, 30)})
    loss = {"training.loss": "quantile"}

    def mine(truth, found):
        return 0.0

    for settings, by_loss, function, short in (
        ({"hyperparameters": loss}, True, None, "mean_pinball_loss"),
        ({"hyperparameters": loss, "validation_metric": "mae"}, False, None, "mae"),
        ({"hyperparameters": loss, "eval_metric": mine}, False, "mine", "mine"),
        ({}, False, None, "rmse"),
    ):
        recipe = tools.MultiModalPredictor("y", verbosity=0, **settings).plan(rows)
        assert tools.chosen_by_loss(recipe) == by_loss
        assert tools.function_of(recipe.data.validation_metric) == function
        assert tools.short_name(recipe.data.validation_metric) == short


def test_a_stream_of_answers_is_what_predict_gives(saved):
    frame, folder = saved
    predictor = tools.load(folder)
    registry = tools.registry_of(predictor)
    answers = pd.Series(index=range(len(frame)), dtype=object)
    for part in tools.stream(tools.model_of(predictor), frame.drop(columns="y"), registry):
        answers.iloc[part.rows] = part.decoded.answer.iloc[:, 0].to_numpy()
    assert answers.tolist() == predictor.predict(frame).tolist()
    with pytest.raises(ConfigError, match="no option 'k'"):
        next(tools.stream(tools.model_of(predictor), frame, registry, options={"k": 3}))


def test_a_stream_tells_cells_that_were_unreadable_when_they_were_encoded(saved):
    frame, folder = saved
    predictor = tools.load(folder)
    rows = frame.drop(columns="y").astype({"x": object})
    rows.loc[[3, 70], "x"] = "oops"
    parts = tools.stream(tools.model_of(predictor), rows, tools.registry_of(predictor))
    bad = [(cell.row, cell.column) for part in parts for cell in part.bad]
    assert sorted(bad) == [(3, "x"), (70, "x")]
    assert predictor.predict(rows, on_error="missing").notna().all()
    with pytest.raises(BadCellError) as caught:
        predictor.predict(rows)
    assert [cell.row for cell in caught.value.cells] == [3, 70]


def test_a_stream_leaves_the_callers_mode_alone(saved, monkeypatch):
    monkeypatch.setattr("mm_core.inference.WINDOW_BYTES", 1)
    frame, folder = saved
    predictor = tools.load(folder)
    parts = tools.stream(
        tools.model_of(predictor), frame, tools.registry_of(predictor), settings=RunSettings(16)
    )
    seen = [torch.is_inference_mode_enabled() for _ in parts]
    assert seen == [False] * 5
    held = tools.stream(tools.model_of(predictor), frame, tools.registry_of(predictor))
    next(held)
    assert (torch.ones(1, requires_grad=True) * 2).requires_grad


def test_aligned_rows_have_their_labels_where_they_are_there(saved):
    frame, folder = saved
    registry = tools.installed()
    model, _ = tools.load_model(folder, registry)
    table = Table(frame.assign(other=1), folder)
    assert list(tools.aligned(model, table, registry).frame) == ["x", "k", "y"]
    unlabelled = Table(frame[["x", "k"]], folder)
    assert list(tools.aligned(model, unlabelled, registry).frame) == ["x", "k"]
    encoded = model.pipeline.encode_with_targets(tools.aligned(model, table, registry))
    assert encoded.n_rows == 80


def test_batches_hold_every_row_once(saved):
    frame, folder = saved
    registry = tools.installed()
    model, _ = tools.load_model(folder, registry)
    rows = np.concatenate([b.row_ids for b in tools.batches(model, frame, registry, 32)])
    assert sorted(rows.tolist()) == list(range(80))


def test_a_model_is_written_without_a_predictor(saved, tmp_path):
    frame, folder = saved
    registry = tools.installed()
    model, result = tools.load_model(folder, registry)
    tools.save_model(model, result, registry, tmp_path / "again")
    again, before = tools.load(tmp_path / "again"), tools.load(folder)
    assert again.predict(frame).equals(before.predict(frame))
    assert tools.result_of(again).history == result.history


def test_metrics_and_checkpoints_by_name():
    registry = tools.installed()
    task = registry.get(TaskSpec, "binary")
    found = tools.metrics(registry).asked(["accuracy"], task, default="roc_auc")
    assert found == {"accuracy": "core:accuracy"}
    assert tools.checkpoints(registry).fetch("tabular:mlp", None) is None
