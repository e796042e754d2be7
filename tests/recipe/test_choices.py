"""What a task says of the components that it reads with: defaults, presets, needs, fusion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, RecipeError
from mm_core.api.tools import model_of

SIDES = Path(__file__).parent / "files" / "sides.py"
QUICK = {"training.epochs": 1}


@pytest.fixture
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x, y, m = rng.normal(size=(3, 40)).round(3)
    frame = pd.DataFrame(
        {"place": [f"{a},{b}" for a, b in zip(x, y, strict=True)], "mark": [f"#{one}" for one in m]}
    )
    return frame.assign(kind=np.where(x + m > 0, "a", "b"))


def predictor(task: str | None, settings: dict[str, Any] | None = None, **more: Any):
    return MultiModalPredictor(
        "kind",
        problem_type=task,
        hyperparameters=QUICK | (settings or {}),
        plugins=[SIDES],
        verbosity=0,
        **more,
    )


def test_one_backbone_that_reads_two_modalities_is_the_default_of_both(rows):
    trained = predictor("sides:together").fit(rows)
    recipe = trained.recipe
    assert {name: part.id for name, part in recipe.backbones.items()} == {"joint": "sides:joint"}
    assert set(recipe.backbones["joint"].inputs) == {"points", "marks"}
    assert recipe.origin("backbones.joint.id") == "task sides:together"
    assert recipe.inputs["points"].processor.id == "sides:split"
    assert recipe.inputs["marks"].processor.id == "sides:other"
    assert len(trained.predict(rows)) == len(rows)


def test_a_backbone_is_told_which_input_is_which(rows, tmp_path):
    trained = predictor("sides:together").fit(rows)
    trained.save(tmp_path / "model")
    loaded = MultiModalPredictor.load(tmp_path / "model", plugins=[SIDES], verbosity=0)
    for one in (trained, loaded):
        joint = model_of(one).engine.topology.backbones["joint"]
        assert joint.reads == {"points": "sides:points", "marks": "sides:marks"}


def test_with_one_of_its_modalities_it_reads_that_one(rows):
    recipe = predictor("sides:together").plan(rows.drop(columns="mark"))
    assert {name: part.inputs for name, part in recipe.backbones.items()} == {"points": ("points",)}
    assert recipe.backbones["points"].id == "sides:joint"


def test_the_user_decides_over_the_task(rows):
    recipe = predictor("sides:together", {"backbones.points.id": "sides:linear"}).plan(rows)
    found = {name: part.id for name, part in recipe.backbones.items()}
    assert found == {"points": "sides:linear", "marks": "sides:joint"}
    assert recipe.origin("backbones.points.id") == "user"


def test_a_processor_of_the_task(rows):
    recipe = predictor("sides:processed").plan(rows)
    assert recipe.inputs["points"].processor.id == "sides:other"
    assert recipe.origin("inputs.points.processor.id") == "task sides:processed"
    assert recipe.inputs["marks"].processor.id == "sides:mark"
    named = predictor("sides:processed", {"inputs.points.processor": "sides:split"}).plan(rows)
    assert named.inputs["points"].processor.id == "sides:split"


PLACES = "inputs.points.processor.places"


@pytest.mark.parametrize(
    ("task", "settings", "places", "origin"),
    [
        ("sides:processed", {}, 2, "task sides:processed"),
        ("sides:processed", {PLACES: 4}, 4, "user"),
        ("sides:processed", {"inputs.points.processor": "sides:split"}, 6, "default"),
        ("sides:together", {}, 6, "default"),
    ],
)
def test_settings_of_a_processor_come_with_its_choice_and_under_the_users(
    rows, task, settings, places, origin
):
    recipe = predictor(task, settings).plan(rows)
    assert recipe.inputs["points"].processor.config["places"] == places
    assert recipe.origin(PLACES) == origin


def test_a_preset_of_the_task_chooses_components(rows):
    recipe = predictor("sides:together", presets="wide").plan(rows)
    assert recipe.backbones["points"].id == "sides:wide"
    assert recipe.origin("backbones.points.id") == "preset wide"
    assert recipe.inputs["points"].processor.id == "sides:other"
    assert recipe.fusion is not None
    assert recipe.fusion.id == "core:mean"
    assert recipe.origin("fusion.id") == "preset wide"
    assert "fusion.id" not in recipe.task.config


def test_a_preset_that_sets_more_of_them_is_refused(rows):
    with pytest.raises(ConfigError, match=r"chooses backbones.<modality>.id only"):
        predictor("sides:shown", presets="wrong").plan(rows)


def test_a_backbone_without_what_the_task_needs_is_refused_in_the_plan(rows):
    with pytest.raises(RecipeError, match="sides:spatial needs spatial features") as caught:
        predictor("sides:spatial").plan(rows.drop(columns="mark"))
    assert caught.value.remedy == "backbones.points=sides:grid"
    with pytest.raises(RecipeError, match="core:binary needs pooled features"):
        predictor("binary", {"backbones.points": "sides:grid"}).plan(rows[["place", "kind"]])


def test_a_fusion_head_that_is_named_is_used_with_one_backbone_too(rows):
    alone = rows.drop(columns="mark")
    recipe = predictor("binary").plan(alone)
    assert recipe.fusion is None
    assert recipe.origin("fusion") == "one backbone: bypassed"
    trained = predictor("binary", {"fusion": "mean"}).fit(alone)
    assert trained.recipe.fusion is not None
    assert trained.recipe.origin("fusion.id") == "user"
    assert trained._model.topology.fusion is not None
    assert len(trained.predict(alone)) == len(alone)
