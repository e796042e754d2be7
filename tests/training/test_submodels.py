"""Models inside a model: their rows, weights, settings, cells and plugins."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError, BadCellError, ConfigError
from mm_core.recipe.recipe import Recipe

INNER = Path(__file__).with_name("files") / "inner.py"
NETWORK = {"fit": "core:finetune"}
BRIEF = {"fit": "inner:inner", "training.epochs": 8, "training.head_learning_rate": 1e-2}


def _rows(n: int = 160) -> pd.DataFrame:
    x = np.random.default_rng(0).normal(size=n)
    return pd.DataFrame({"x": x, "y": np.where(x > 0, "yes", "no")})


def _fit(rows: pd.DataFrame, settings=None, **given) -> MultiModalPredictor:
    predictor = MultiModalPredictor(
        "y", hyperparameters=BRIEF | (settings or {}), verbosity=0, plugins=[INNER]
    )
    return predictor.fit(rows, **given)


def _inner(predictor: MultiModalPredictor):
    return predictor._model.engine.inner.model


@pytest.fixture(scope="module")
def fitted() -> MultiModalPredictor:
    return _fit(_rows())


def test_it_answers_and_scores_rows_that_are_named(fitted):
    assert fitted.evaluate(_rows())["roc_auc"] > 0.95
    (record,) = fitted.history.to_dict("records")
    assert record["rows"] == 80
    assert record["roc_auc"] == pytest.approx(fitted.evaluate(_rows())["roc_auc"])


def test_what_the_user_sets_of_training_holds_inside_and_its_own_settings_come_first(fitted):
    assert _inner(fitted).recipe.training.epochs == 8
    other = _fit(_rows(), {"fit.settings": {"training.epochs": 2}})
    assert _inner(other).recipe.training.epochs == 2


def test_rows_keep_their_weights_inside():
    """Of the second half, which the model inside learns from, every other label is turned round."""
    rows = _rows(320)
    last = np.arange(320) >= 160
    weight = np.where(last & (np.arange(320) % 2 == 0), 0.0, 1.0)
    spoilt = rows.assign(w=weight)
    spoilt.loc[weight == 0, "y"] = np.where(rows.x[weight == 0] > 0, "no", "yes")
    assert _fit(spoilt, sample_weight="w").evaluate(rows)["roc_auc"] > 0.95


def test_presets_of_the_user_hold_inside_and_its_own_come_first(fitted):
    """The plan of the one inside is that of a model of its own with the same presets."""

    def inner(**settings):
        wished = {"fit.settings": NETWORK | {"training.max_steps": 1} | settings}
        return _inner(_fit(_rows(), wished, presets="medium_quality")).recipe

    alone = {}
    for name in ("medium_quality", "high_quality", "best_quality"):
        whole = MultiModalPredictor("y", presets=name, hyperparameters=NETWORK, verbosity=0)
        alone[name] = whole.plan(_rows()).backbones
    assert alone["medium_quality"] != alone["high_quality"] != alone["best_quality"]
    assert inner().backbones == alone["medium_quality"]
    assert inner(presets="best_quality").backbones == alone["best_quality"]
    assert inner(presets="best_quality").presets == ("best_quality",)
    assert _inner(fitted).recipe.backbones == alone["high_quality"]
    for wrong in (5, "medum_quality"):
        with pytest.raises(ConfigError, match=str(wrong)):
            inner(presets=wrong)


def test_a_recipe_from_before_presets_were_kept_is_read(fitted):
    values = json.loads(fitted.recipe.to_json())
    assert values.pop("presets") == []
    assert Recipe.from_json(json.dumps(values)) == fitted.recipe


def test_a_wrong_setting_inside_is_told(fitted):
    with pytest.raises(ConfigError, match="epoch"):
        _fit(_rows(), {"fit.settings": {"training.epoch": 2}})


def test_cells_that_only_the_model_inside_reads_are_reported_by_their_rows(fitted):
    broken = _rows().astype({"x": object})
    broken.loc[7, "x"] = "much"
    with pytest.raises(BadCellError) as caught:
        fitted.predict(broken)
    assert (caught.value.rows, caught.value.column) == ((7,), "x")
    assert len(fitted.predict(broken, on_error="missing")) == len(broken)


def test_it_is_not_trained_further_and_stays(fitted):
    """Refused before the data is looked at: the model would be made anew of the new rows alone."""
    model = fitted._model
    for does in (fitted.fit, fitted.plan):
        with pytest.raises(ConfigError, match="not trained further") as caught:
            does("nowhere.csv")
        assert "on all rows" in caught.value.remedy
    assert fitted._model is model


def test_the_plugins_inside_are_named_where_they_are_missing(fitted, tmp_path):
    folder = fitted.save(tmp_path / "model")
    again = MultiModalPredictor.load(folder, plugins=[INNER])
    pd.testing.assert_frame_equal(again.predict_proba(_rows()), fitted.predict_proba(_rows()))
    manifest = json.loads((folder / "mm_model.json").read_text())
    assert {"inner", "tabular"} <= {record["name"] for record in manifest["plugins"]}
    with pytest.raises(ArtifactError, match="'inner'"):
        MultiModalPredictor.load(folder)
