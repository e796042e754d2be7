"""Defects seen in peers, each shown not to be ours. The name starts with its number.

B5, B7, B11, B14 and C1 to C4 are covered in more breadth by tests/integration and tests/builtin.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mm_core import MultiModalPredictor
from mm_core.api import BadCellError, ConfigError, LabelError, MMError, MMWarning, TrainingError
from mm_core.api.specs import TaskSpec
from mm_core.plugins.registry import default_registry


def test_b1_predict_never_answers_from_an_earlier_call(fused):
    first = fused.predictor.predict_proba(fused.test.head(10))
    fused.predictor.evaluate(fused.train)
    second = fused.predictor.predict_proba(fused.test.head(10))
    pd.testing.assert_frame_equal(first, second)
    assert len(fused.predictor.predict(fused.train.head(3))) == 3


def test_b3_bad_image_row_does_not_get_its_neighbours_answer(fused, tmp_path):
    rows = fused.test.head(6).copy()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    rows.loc[rows.index[2], "picture"] = str(broken)
    with pytest.raises(BadCellError):
        fused.predictor.predict(rows)
    with pytest.warns(MMWarning):
        answers = fused.predictor.predict_proba(rows, on_error="missing")
    whole = fused.predictor.predict_proba(fused.test.head(6))
    others = [0, 1, 3, 4, 5]
    np.testing.assert_allclose(answers.iloc[others], whole.iloc[others], atol=1e-6)
    assert not np.allclose(answers.iloc[2], whole.iloc[3], atol=1e-6)


def test_b5_small_all_categorical_table_is_used(fit_table):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.choice(list("uvw"), 250) for name in "abc"})
    frame["label"] = np.where(frame["a"] == frame["b"], "same", "different")
    predictor = fit_table(frame, "label")
    assert set(predictor.recipe.inputs["tabular"].columns) == {"a", "b", "c"}


def test_b6_one_row_regression(fit_table, small_table):
    predictor = fit_table(small_table, "weight")
    assert predictor.predict(small_table.head(1)).shape == (1,)


def test_b8_random_weights_when_asked_and_only_then(fused, table_maker, tmp_path):
    assert fused.predictor.recipe.backbones["text"].config["checkpoint"] == "random"
    frame = table_maker(30, tmp_path)[["review", "liked"]]
    with pytest.raises(MMError) as caught:
        MultiModalPredictor(
            "liked", hyperparameters={"backbones.text.checkpoint": "no/such-model"}, verbosity=0
        ).fit(frame)
    assert "no/such-model" in str(caught.value)
    assert "checkpoint=random" in caught.value.remedy


def _advertised():
    registry = default_registry()
    return [
        (component.spec.name, metric)
        for component in registry.all(TaskSpec)
        if component.id.startswith("core:")
        for metric in component.spec.metrics
    ]


@pytest.fixture(scope="module")
def by_task():
    """One predictor per built-in task, on the same inputs."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"x": rng.normal(size=120), "z": rng.normal(size=120)})
    labels = {
        "binary": np.where(frame["x"] > 0, "a", "b"),
        "multiclass": np.digitize(frame["x"], [-0.5, 0.5]),
        "regression": frame["x"] * 3 + 5,
        "multilabel": [
            [name for name, value in zip("xz", row, strict=True) if value > 0]
            for row in frame.to_numpy()
        ],
    }
    trained = {}
    for task, label in labels.items():
        rows = frame.assign(y=label)
        predictor = MultiModalPredictor(
            "y", task, hyperparameters={"training.epochs": 2}, verbosity=0
        )
        trained[task] = predictor.fit(rows), rows
    return trained


@pytest.mark.parametrize(("task", "metric"), _advertised())
def test_b9_every_advertised_metric_runs(by_task, task, metric):
    predictor, rows = by_task[task]
    score = predictor.evaluate(rows, metrics=metric)[metric]
    assert np.isfinite(score)


def test_b9_unknown_names_are_errors(small_table):
    with pytest.raises(MMError, match="accuracy"):
        MultiModalPredictor("kind", eval_metric="acuracy", verbosity=0).fit(small_table)
    with pytest.raises(ConfigError, match="cosine"):
        MultiModalPredictor(
            "kind", hyperparameters={"training.schedule": "cosin"}, verbosity=0
        ).fit(small_table)


def test_b10_the_best_score_is_the_best(fused):
    history = fused.predictor.history
    best = history["roc_auc"].max()
    assert fused.predictor._fitted.result.best_score == pytest.approx(best)


def test_b11_bytes_column_with_missing_cells_trains(
    fit_table, table_maker, random_weights, tmp_path
):
    frame = table_maker(40, tmp_path)[["picture", "liked"]]
    content = [Path(path).read_bytes() for path in frame["picture"]]
    frame["picture"] = pd.Series(content, dtype=object)
    frame.loc[[3, 8], "picture"] = None
    settings = {key: value for key, value in random_weights.items() if "text" not in key}
    predictor = fit_table(frame, "liked", hyperparameters=settings)
    assert predictor.column_types == {"picture": "image:bytes"}
    assert len(predictor.predict(frame)) == 40


def test_b18_works_where_pkg_resources_is_gone():
    code = (
        "import sys; sys.modules['pkg_resources'] = None; "
        "from mm_core.plugins.registry import default_registry as r; "
        "[c.load() for k in ('backbone', 'processor', 'task', 'fitter') for c in r().all(k)]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_b20_the_network_guard_guards_sockets(guard):
    import http.client
    import socket

    with pytest.raises(guard):
        socket.create_connection(("192.0.2.1", 80))
    with pytest.raises(guard):
        http.client.HTTPConnection("192.0.2.1").request("GET", "/")
    with pytest.raises(OSError, match="no network"):
        socket.getaddrinfo("huggingface.co", 443)


def test_b21_nan_outputs_are_not_turned_into_numbers(fit_table, small_table):
    predictor = fit_table(small_table, "weight")
    with torch.no_grad():
        predictor._model.topology.head.bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match="not finite"):
        predictor.predict(small_table)


def test_b23_predict_scans_nothing_and_starts_nothing(fused, monkeypatch):
    import importlib.metadata
    import multiprocessing
    import threading

    def forbidden(*args, **kwargs):
        raise AssertionError("not at prediction")

    monkeypatch.setattr(importlib.metadata, "entry_points", forbidden)
    monkeypatch.setattr("lightning.pytorch.Trainer.__init__", forbidden)
    monkeypatch.setattr(multiprocessing.Process, "start", forbidden)
    monkeypatch.setattr(threading.Thread, "start", forbidden)
    assert len(fused.predictor.predict(fused.test.head(1))) == 1


def test_b25_why_a_column_was_read_so_and_how_to_override(fit_table, small_table):
    predictor = fit_table(small_table, column_types={"place": "ignore", "height": "categorical"})
    plans = {plan.name: plan for plan in predictor.recipe.columns.columns}
    assert plans["place"].modality is None
    assert plans["place"].origin == "user"
    assert plans["height"].kind == "categorical"
    assert plans["weight"].reason


def test_b26_time_limit_ends_training(small_table):
    start = time.monotonic()
    predictor = MultiModalPredictor(
        "kind",
        hyperparameters={"training.epochs": 100_000, "training.patience": 100_000},
        verbosity=0,
    ).fit(small_table, time_limit=3)
    assert predictor._fitted.result.stopped == "time_limit reached"
    assert time.monotonic() - start < 30
    assert len(predictor.predict(small_table)) == len(small_table)


def test_b14_unseen_label_names_the_row(by_task):
    predictor, rows = by_task["multiclass"]
    wrong = rows.copy()
    wrong.loc[11, "y"] = 9
    with pytest.raises(LabelError) as caught:
        predictor.evaluate(wrong)
    assert caught.value.rows == (11,)
