"""The plan as a user reads it: on 80 columns, every value with its origin."""

from __future__ import annotations

import pytest

from mm_core.recipe.recipe import Recipe
from mm_core.recipe.shown import plan_text
from mm_core.schema.schema import ColumnPlan, Schema


@pytest.fixture(scope="module")
def recipe(model):
    return Recipe.read(model / "recipe.json")


def test_mm_plan_prints_it(folder, mm):
    ran = mm("plan", folder / "train.csv", "--label", "y", "--set", "training.epochs=7")
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert "x tabular (numerical)" in " ".join(lines)
    assert "same not used constant: every cell is 1" in lines
    assert "training.epochs = 7 <- user" in lines
    assert any(line.startswith("and ") and "at their defaults" in line for line in lines)


def test_every_setting_and_origin_is_there_when_full(recipe):
    text = plan_text(recipe, full=True, width=200)
    rows = {}
    for line in text.splitlines():
        key, _, rest = line.partition(" = ")
        rows[key.strip()] = rest.rpartition("<- ")[2]
    for key in recipe.flat():
        if key != "format":
            assert rows[key] == recipe.origin(key)


def test_defaults_are_folded_and_nothing_else(recipe):
    text = plan_text(recipe, full=False, width=200)
    for key in recipe.flat():
        if key != "format":
            assert (f"  {key} " in text) == (recipe.origin(key) != "default")


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("width", [80, 120])
def test_lines_fit(recipe, full, width):
    long = recipe.model_copy(
        update={
            "origins": {
                **recipe.origins,
                "training.epochs": "a checkpoint that was found; " + "before it, another one, " * 8,
            }
        }
    )
    lines = plan_text(long, full=full, width=width).splitlines()
    assert max(map(len, lines)) <= width


def test_many_columns_are_folded_by_kind(recipe):
    plans = tuple(
        ColumnPlan(
            name=f"column_{number}",
            modality="tabular:tabular" if number % 100 else None,
            kind="numerical" if number % 100 else None,
            score=1.0,
            reason="numeric",
            origin="detector tabular:tabular",
        )
        for number in range(400)
    )
    many = recipe.model_copy(update={"schema_": Schema(columns=plans)})
    short = plan_text(many, full=False, width=80)
    assert "  ... and 366 more: tabular (numerical)" in short.splitlines()
    assert "column_300" in short  # not used: always shown
    assert "column_399" in plan_text(many, full=True, width=80)
