"""What a task offers: options of a prediction, methods, answers without a fit."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, LabelError, NotFittedError
from mm_core.testing import forked

SIDES = Path(__file__).parent / "files" / "sides.py"
DISTANCES = (0.5, 2.0, 0.0, 3.0)


@pytest.fixture
def rows() -> pd.DataFrame:
    right = [f"1.0,{2 + distance}" for distance in DISTANCES]
    return pd.DataFrame({"a": "1.0,2.0", "b": right})


def near(**more: Any) -> MultiModalPredictor:
    return MultiModalPredictor(
        problem_type="sides:near", query="a", response="b", plugins=[SIDES], verbosity=0, **more
    )


def test_a_task_that_needs_no_fit_answers_at_once(rows):
    assert near().predict(rows).tolist() == [True, False, True, False]
    assert near().predict(rows[1:2]).tolist() == [False]  # one row, constant columns
    with pytest.raises(NotFittedError):
        MultiModalPredictor(problem_type="binary", verbosity=0).predict(rows)


def test_options_reach_the_network_and_the_task(rows):
    asked = near()
    assert asked.predict(rows, within=2.5).tolist() == [True, True, True, False]
    assert asked.predict(rows, within=2.5, scale=2.0).tolist() == [True, False, True, False]
    assert asked.predict(rows).tolist() == [True, False, True, False]
    labelled = rows.assign(near=np.array(DISTANCES) < 2.5)
    scored = near(label="near")
    assert scored.evaluate(labelled)["accuracy"] == 0.75
    assert scored.evaluate(labelled, within=2.5)["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("options", "said", "remedy"),
    [
        ({"withn": 2}, "sides:near has no option 'withn'", "did you mean 'within'?"),
        ({"other": 2}, "no option 'other'", "options: within, scale"),
        ({"within": -1}, "within = -1", "distance up to which"),
    ],
)
def test_options_that_cannot_be(rows, options, said, remedy):
    with pytest.raises(ConfigError, match=said) as caught:
        near().predict(rows, **options)
    assert remedy in caught.value.remedy


def test_a_task_without_options_says_so(small_table, fit_table):
    with pytest.raises(ConfigError, match="core:binary has no option 'within'"):
        fit_table(small_table).predict(small_table, within=3)


def test_methods_are_those_of_the_task(rows):
    asked = near()
    assert "nearest" in dir(asked)
    asked.predict(rows)
    assert asked.nearest(rows, top_k=2)["row"].tolist() == [2, 0]
    with pytest.raises(AttributeError, match="did you mean 'nearest'"):
        _ = asked.nearst
    assert not hasattr(MultiModalPredictor("y"), "nearest")
    assert copy.copy(asked).nearest(rows)["row"].tolist() == [2, 0, 1]


def test_it_is_saved_and_loaded(rows, tmp_path):
    asked = near()
    asked.predict(rows)
    loaded = MultiModalPredictor.load(asked.save(tmp_path / "model"), plugins=[SIDES], verbosity=0)
    assert loaded.predict(rows, within=2.5).tolist() == [True, True, True, False]
    assert loaded.recipe.data.label == ()
    assert loaded.nearest(rows)["row"].tolist() == [2, 0, 1]


def test_a_fit_after_it_is_a_fit_of_its_own(rows):
    asked = near(hyperparameters={"training.epochs": 0})
    asked.predict(rows)
    asked.fit(pd.concat([rows] * 4, ignore_index=True).assign(c=range(16)))
    assert asked.predict(rows).tolist() == [True, False, True, False]


def test_pairs_without_a_label_are_trained_on(rows):
    settings = {"backbones.query_points.id": "sides:linear", "training.epochs": 2}
    trained = near(hyperparameters=settings).fit(pd.concat([rows] * 5, ignore_index=True))
    assert trained.recipe.data.label == ()
    assert len(trained.history) == 2
    assert len(trained.predict(rows)) == len(rows)


def test_no_epochs_are_for_those_that_need_no_fit(small_table):
    predictor = MultiModalPredictor("kind", hyperparameters={"training.epochs": 0})
    with pytest.raises(ConfigError, match="core:binary has to learn"):
        predictor.plan(small_table)


def test_a_label_is_needed_where_it_is_learned(small_table):
    with pytest.raises(LabelError, match="neither a label nor a task"):
        MultiModalPredictor().plan(small_table)
    with pytest.raises(LabelError, match="no label is named, which core:binary learns"):
        MultiModalPredictor(problem_type="binary").plan(small_table)


def test_on_the_command_line(rows, tmp_path):
    rows.to_csv(tmp_path / "rows.csv", index=False)

    def mm(*command: str) -> Any:
        done = forked.mm("--plugin", SIDES, *command, "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    built = ("fit", "rows.csv", "--problem-type", "sides:near", "--set", "training.epochs=0")
    mm(*built, "--role", "query=a", "--role", "response=b", "--out", "model")
    found = mm("predict", "model", "rows.csv", "--option", "within=2.5")
    assert [one["near"] for one in found["predictions"]] == [True, True, True, False]
    scored = mm("evaluate", "model", "rows.csv", "--option", "within=2.5")
    assert scored["scores"] == {"accuracy": 0.75}
    found = mm("nearest", "model", "rows.csv", "--option", "top_k=2")
    assert [one["row"] for one in found["nearest"]] == [2, 0]
    wrong = ("nearest", "model", "rows.csv", "--option", "topk=2")
    refused = forked.mm("--plugin", SIDES, *wrong, cwd=tmp_path)
    assert refused.returncode == 2
    assert "did you mean 'top_k'?" in refused.stderr


def test_a_method_is_a_command_of_models_of_its_task(small_table, fit_table, tmp_path):
    fit_table(small_table).save(tmp_path / "model")
    small_table.to_csv(tmp_path / "rows.csv", index=False)

    def mm(*command: str) -> subprocess.CompletedProcess[str]:
        return forked.mm("--plugin", SIDES, *command, cwd=tmp_path)

    assert "nearest" in mm("--help").stdout
    assert "The nearest rows." in mm("nearest", "--help").stdout
    ran = mm("nearest", "model", "rows.csv")
    assert ran.returncode == 2
    assert "mm nearest is for other models: this one is core:binary" in ran.stderr
