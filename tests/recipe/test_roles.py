"""Which columns are which part of what a task reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ColumnError, ConfigError, MMWarning, RecipeError
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.data.rows import read_rows
from mm_core.plugins.registry import registry_with
from mm_core.recipe.recipe import Recipe
from mm_core.recipe.submodel import plan_submodel
from mm_core.scoring import Metrics
from mm_core.testing import forked

SIDES = Path(__file__).parent / "files" / "sides.py"


@pytest.fixture
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    a, b, c, d, mark = rng.normal(size=(5, 40)).round(3)
    pairs = {"a": (a, b), "b": (c, d), "c": (b, d)}
    frame = pd.DataFrame(
        {name: [f"{x},{y}" for x, y in zip(*two, strict=True)] for name, two in pairs.items()}
    )
    frame["mark"] = [f"#{one}" for one in mark]
    return frame.assign(kind=np.where(a > c, "a", "b"))


def predictor(task: str = "sides:pair", **more: Any) -> MultiModalPredictor:
    settings = {"training.epochs": 1} | more.pop("settings", {})
    return MultiModalPredictor(
        "kind",
        problem_type=task,
        hyperparameters=settings,
        plugins=[SIDES],
        verbosity=0,
        **more,
    )


def test_inputs_are_named_after_role_and_modality(rows):
    with pytest.warns(MMWarning, match=r"columns not used: 'c' \(no role of sides:pair reads it\)"):
        recipe = predictor(query="a", response="b").plan(rows)
    assert {name: part.columns for name, part in recipe.inputs.items()} == {
        "query_points": ("a",),
        "response_points": ("b",),
        "hint_marks": ("mark",),
    }
    assert [part.role for part in recipe.inputs.values()] == ["query", "response", "hint"]
    unused = recipe.columns.plan("c")
    assert unused is not None
    assert unused.modality is None
    assert "no role" in unused.reason


def test_a_model_with_roles_answers_saved_and_loaded(rows, tmp_path):
    trained = predictor(roles={"query": ["a", "c"], "response": "b"}).fit(rows)
    assert trained.recipe.inputs["query_points"].columns == ("a", "c")
    trained.save(tmp_path / "model")
    loaded = MultiModalPredictor.load(tmp_path / "model", plugins=[SIDES], verbosity=0)
    pd.testing.assert_series_equal(loaded.predict(rows), trained.predict(rows))
    Recipe.from_json(trained.recipe.to_json())


def test_a_model_inside_a_model_has_its_roles(rows):
    both = rows[["a", "b", "kind"]]
    outer = predictor(query="a", response="b").plan(both)
    assert outer.roles == {"query": ("a",), "response": ("b",)}
    registry = registry_with([SIDES])
    finder = CheckpointFinder(registry)
    inner = plan_submodel(
        outer, {}, read_rows(both, registry).table, registry, finder, Metrics(registry)
    )
    assert inner.roles == outer.roles


def test_a_role_finds_its_only_column(rows):
    recipe = predictor("sides:shown").plan(rows[["a", "kind"]])
    assert recipe.inputs["place_points"].columns == ("a",)


@pytest.mark.parametrize(
    ("task", "given", "columns", "error", "said", "remedy"),
    [
        (
            "shown",
            {},
            "abk",
            ColumnError,
            "'a', 'b' could each be the place",
            "roles={'place': 'a'}",
        ),
        ("shown", {}, "mk", ColumnError, "needs place .* no column left holds points", "--role"),
        ("pair", {"query": "a"}, "abk", ColumnError, "needs response", "--role response=COLUMN"),
        ("pair", {"qery": "a"}, "abk", ConfigError, "no role 'qery'", "did you mean 'query'?"),
        ("shown", {"place": "mark"}, "amk", ColumnError, "holds marks", "name another"),
        ("shown", {"place": "aa"}, "amk", ColumnError, "'aa', named as place", "did you mean 'a'?"),
        ("shown", {"place": ["a", "b"]}, "abk", ConfigError, "takes one column", "name one"),
        ("pair", {"query": "a", "response": "a"}, "abk", ConfigError, "both query and", "once"),
        ("together", {"query": "a"}, "abk", ConfigError, "no role 'query'", "leave roles out"),
    ],
)
def test_roles_that_cannot_be(rows, task, given, columns, error, said, remedy):
    names = [{"m": "mark", "k": "kind"}.get(one, one) for one in columns]
    with pytest.raises(error, match=said) as caught:
        predictor(f"sides:{task}", roles=given).plan(rows[names])
    assert remedy in caught.value.remedy


def test_an_argument_and_a_role_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="query is given as an argument and among the roles"):
        predictor(query="a", roles={"query": "b"})


def test_match_label_is_a_setting_of_the_task(rows):
    both = rows[["a", "b", "kind"]]
    recipe = predictor(query="a", response="b", match_label="a").plan(both)
    assert recipe.task.config["match_label"] == "a"
    with pytest.raises(ConfigError, match="match_label"):
        predictor("binary", match_label="a").plan(both)


def test_sides_that_are_alike_share_a_backbone(rows):
    both = rows[["a", "b", "kind"]]
    settings = {"backbones.query_points": {"id": "sides:wide", "width": 5}}
    recipe = predictor(query="a", response="b", settings=settings).plan(both)
    query, response = recipe.backbones["query_points"], recipe.backbones["response_points"]
    assert query.share_with is None
    assert (response.id, response.share_with, response.inputs) == (
        "sides:wide",
        "query_points",
        ("response_points",),
    )
    assert response.config == query.config == {"width": 5}
    assert recipe.origin("backbones.response_points.share_with") == "role response"
    assert recipe.origin("backbones.response_points.width") == "as backbones.query_points"


@pytest.mark.parametrize(
    "settings",
    [
        {"backbones.response_points.share_with": None},
        {"backbones.response_points.width": 5},
        {"inputs.response_points.processor": "sides:other"},
    ],
)
def test_a_side_with_settings_of_its_own_has_its_own_backbone(rows, settings):
    both = rows[["a", "b", "kind"]]
    recipe = predictor(query="a", response="b", settings=settings).plan(both)
    assert recipe.backbones["response_points"].share_with is None


def test_sides_that_differ_have_their_own_backbones(rows):
    recipe = predictor(query=["a", "c"], response="b").plan(rows.drop(columns="mark"))
    assert recipe.backbones["response_points"].share_with is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"backbones.points.share_with": "nobody"}, "no such backbone"),
        ({"backbones.points.share_with": "points"}, "no such backbone"),
        ({"backbones.points.share_with": "marks"}, "not of the kinds"),
        ({"backbones.points": {"share_with": "marks", "width": 3}}, "width of its own"),
    ],
)
def test_what_cannot_be_shared_is_refused(rows, settings, said):
    with pytest.raises(ConfigError, match=said) as caught:
        predictor("binary", settings=settings).plan(rows[["a", "mark", "kind"]])
    assert caught.value.remedy


def test_the_user_shares_a_backbone(rows):
    settings = {
        "inputs.one.columns": ["a"],
        "inputs.two.columns": ["b"],
        "backbones.two.share_with": "one",
    }
    recipe = predictor("binary", settings=settings).plan(rows[["a", "b", "kind"]])
    assert recipe.backbones["two"].share_with == "one"
    assert recipe.origin("backbones.two.share_with") == "user"
    changed = json.loads(recipe.to_json())
    changed["backbones"]["two"]["width"] = 3
    with pytest.raises(RecipeError, match="other settings"):
        Recipe.from_json(json.dumps(changed))


def test_on_the_command_line(rows, tmp_path):
    rows.to_csv(tmp_path / "rows.csv", index=False)
    command = ["plan", "rows.csv", "--label", "kind", "--problem-type", "sides:pair", "--json"]
    command += ["--role", "query=a", "--role", "query=c", "--role", "response=b"]
    done = forked.mm(*command, "--plugin", SIDES, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    inputs = json.loads(done.stdout)["inputs"]
    assert inputs["query_points"] == inputs["query_points"] | {"columns": ["a", "c"]}
