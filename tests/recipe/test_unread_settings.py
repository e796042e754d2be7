"""Settings that nothing reads are told, and names that are not there say what was meant."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, MMError, MMWarning

SIDES = Path(__file__).parent / "files" / "sides.py"


@pytest.fixture(scope="module")
def frame():
    return pd.DataFrame(
        {
            "size": np.arange(40) / 7,
            "colour": ["red", "blue"] * 20,
            "picture": [np.full((8, 8, 3), n, dtype="uint8") for n in range(40)],
            "y": ["a", "b"] * 20,
        }
    )


def _plan(frame, **settings):
    given = {"backbones.image.checkpoint": "random"} if "picture" in frame else {}
    predictor = MultiModalPredictor("y", hyperparameters=given | settings, verbosity=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recipe = predictor.plan(frame)
    return recipe, [str(one.message) for one in caught if one.category is MMWarning]


def test_fusion_of_one_backbone_is_told_to_be_unused(frame):
    recipe, told = _plan(frame[["size", "colour", "y"]], **{"fusion.dim": 32})
    assert recipe.fusion is None
    (said,) = told
    assert "fusion.dim: set, and not used, for one backbone needs no fusion" in said
    named = {"fusion": "mean", "fusion.dim": 32}
    assert _plan(frame[["size", "colour", "y"]], **named)[1] == []
    assert _plan(frame, **{"fusion.dim": 32})[1] == []


@pytest.mark.parametrize("setting", ["inputs.text.processor.max_length", "backbones.text.pooling"])
def test_a_modality_that_no_column_is_read_as_says_column_type(frame, setting):
    with pytest.raises(MMError) as caught:
        _plan(frame[["size", "colour", "y"]], **{setting: 8})
    assert "--column-type COLUMN=text" in caught.value.remedy
    assert "'colour' as tabular:categorical" in caught.value.remedy


def test_a_misspelt_input_is_suggested(frame):
    with pytest.raises(ConfigError) as caught:
        _plan(frame[["size", "colour", "y"]], **{"inputs.tabluar.processor.scaling": "robust"})
    assert caught.value.remedy == "did you mean 'tabular'?"


@pytest.mark.parametrize("section", ["inputs", "backbones"])
def test_with_roles_the_key_of_the_role_is_named(section):
    points = [f"{n},{n + 1}" for n in range(20)]
    rows = pd.DataFrame({"a": points, "b": points[::-1], "kind": ["a", "b"] * 10})
    setting = {"inputs": "inputs.points.processor.id", "backbones": "backbones.points.id"}[section]
    predictor = MultiModalPredictor(
        "kind",
        "sides:pair",
        query="a",
        response="b",
        hyperparameters={setting: "sides:linear"},
        plugins=[SIDES],
        verbosity=0,
    )
    with pytest.raises(MMError) as caught:
        predictor.plan(rows)
    keys = f"{section}.query_points, {section}.response_points"
    assert caught.value.remedy == f"inputs of points go by their roles here: {keys}"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("image_path", "image:path"),
        ("image_bytearray", "image:bytes"),
        ("image_base64_str", "image:base64"),
        ("text", "text:text"),
        ("categorical", "tabular:categorical"),
        ("numerical", "tabular:numerical"),
    ],
)
def test_names_of_column_types_that_others_use_are_understood(frame, name, kind):
    predictor = MultiModalPredictor(
        "y",
        hyperparameters={f"backbones.{kind.split(':')[0]}.checkpoint": "random"}
        if "tabular" not in kind
        else None,
        verbosity=0,
    )
    recipe = predictor.plan(frame[["size", "colour", "y"]], column_types={"colour": name})
    assert recipe.columns.types["colour"] == kind


def test_the_label_that_nobody_gave_is_not_said_to_be_the_users(frame):
    recipe, _ = _plan(frame[["size", "colour", "y"]])
    assert recipe.origins["data.label"] == "user"
    points = [f"{n},{n + 1}" for n in range(20)]
    rows = pd.DataFrame({"a": points, "b": points[::-1]})
    near = MultiModalPredictor(
        problem_type="sides:near", query="a", response="b", plugins=[SIDES], verbosity=0
    )
    assert near.plan(rows).origins["data.label"] == "task sides:near"
