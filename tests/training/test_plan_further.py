"""A predictor that has a model plans the fit that it would do: of that model, further."""

from __future__ import annotations

import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, LabelError


@pytest.fixture
def fitted(small_table, fit_table):
    return fit_table(small_table, hyperparameters={"training.epochs": 2})


def test_the_plan_is_of_the_model(fitted, small_table, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = MultiModalPredictor.load(tmp_path / "model", verbosity=0)
    assert loaded.plan(small_table).training.epochs == 2
    wanted = {"training.epochs": 1}
    planned = loaded.plan(small_table, hyperparameters=wanted)
    assert planned == loaded.fit(small_table, hyperparameters=wanted).recipe
    assert planned.backbones == fitted.recipe.backbones


@pytest.mark.parametrize(
    "wish",
    [
        {"hyperparameters": {"backbones.tabular.width": 64}},
        {"presets": "medium_quality"},
        {"column_types": {"height": "ignore"}},
    ],
)
def test_what_cannot_change_is_refused_by_both(fitted, small_table, wish):
    for does in (fitted.plan, fitted.fit):
        with pytest.raises(ConfigError, match="cannot change"):
            does(small_table, **wish)


def test_labels_are_those_of_the_model(fitted, small_table):
    odd = small_table.assign(kind=[*small_table["kind"][:-1], 7.5])
    for does in (fitted.plan, fitted.fit):
        with pytest.raises(LabelError):
            does(odd)
