"""Members by three recipes, honest scores, and one folder for all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, Table
from mm_core.api.tools import model_of, outputs

THREE = {
    "id": "bag:bag",
    "folds": 2,
    "members": {"mlp": "core:finetune", "wide": "core:finetune", "ft": "core:finetune"},
    "settings": {
        "wide": {"backbones.tabular.width": 48, "training.seed": 1},
        "ft": {
            "backbones.tabular": {
                "id": "tabular:ft_transformer",
                "width": 16,
                "n_heads": 2,
                "n_blocks": 1,
            }
        },
    },
}


def table(n: int = 120) -> pd.DataFrame:
    """A label of a number and a category, and a number."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"height": rng.normal(size=n), "place": rng.choice(["a", "b"], n)})
    score = rows.height + 1.5 * (rows.place == "b")
    return rows.assign(sold=np.where(score > 0.7, "yes", "no"), price=1e4 * score + 1e5)


def fit(
    label: str, rows: pd.DataFrame, bag: dict[str, Any], epochs: int = 6
) -> MultiModalPredictor:
    """A bag fitted on these rows."""
    settings = {"fit": bag, "training.epochs": epochs, "training.head_learning_rate": 1e-2}
    return MultiModalPredictor(label, hyperparameters=settings, verbosity=0).fit(rows)


@pytest.fixture(scope="module")
def fitted() -> MultiModalPredictor:
    """Three members on two folds."""
    return fit("sold", table().drop(columns="price"), THREE)


def test_members_are_named_in_the_recipe_and_scored_out_of_fold(
    fitted: MultiModalPredictor,
) -> None:
    """One record, with the score of all and of each."""
    members = fitted.recipe.fit.config["members"]
    assert {name: one["id"] for name, one in members.items()} == dict.fromkeys(
        ("mlp", "wide", "ft"), "core:finetune"
    )
    (record,) = fitted.history.to_dict("records")
    assert {"roc_auc", "mlp.roc_auc", "wide.roc_auc", "ft.roc_auc"} <= set(record)
    assert record["roc_auc"] > 0.8
    assert record["step"] == 6


def test_each_member_has_its_own_recipe(fitted: MultiModalPredictor) -> None:
    """And what is set of training holds for all."""
    engine = model_of(fitted).engine
    recipes = {name: models[0].model.recipe for name, models in engine.members.items()}
    assert recipes["ft"].backbones["tabular"].id == "tabular:ft_transformer"
    assert recipes["wide"].backbones["tabular"].config["width"] == 48
    assert {one.training.epochs for one in recipes.values()} == {6}


def test_probabilities_are_the_mean_of_the_members(fitted: MultiModalPredictor) -> None:
    """Of all folds and members alike."""
    rows = table(20)
    total = np.zeros((20, 2))
    for models in model_of(fitted).engine.members.values():
        for one in models:
            found, meta, _ = outputs(one.model, Table(rows, Path()))
            total += one.model.pipeline.decode(found, meta).proba.to_numpy()
    assert np.allclose(fitted.predict_proba(rows), total / 6, atol=1e-5)


def test_scores_are_of_rows_that_were_not_learned() -> None:
    """Each model's own score is of the fold that it left out: the bag's is their mean."""
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(rng.normal(size=(120, 4)), columns=list("abcd"))
    rows["sold"] = rng.choice(["yes", "no"], 120)
    settings = {"fit": {"id": "bag:bag", "folds": 2}, "training.epochs": 4}
    model = MultiModalPredictor(
        "sold", eval_metric="accuracy", hyperparameters=settings, verbosity=0
    ).fit(rows)
    (record,) = model.history.to_dict("records")
    folds = model_of(model).engine.members["network"]
    assert record["accuracy"] == pytest.approx(np.mean([one.result.best_score for one in folds]))
    assert record["accuracy"] == record["network.accuracy"]


def test_numbers_are_averaged_in_their_own_unit() -> None:
    """All members scale them alike."""
    rows = table(200).drop(columns="sold")
    model = fit("price", rows, {"id": "bag:bag", "folds": 2}, epochs=60)
    assert model.evaluate(rows, "r2")["r2"] > 0.8


_LOAD = """
import sys
import pandas as pd
from mm_core import MultiModalPredictor
rows = pd.read_csv(sys.argv[2])
MultiModalPredictor.load(sys.argv[1]).predict_proba(rows).to_csv(sys.argv[3], index=False)
"""


def test_one_folder_gives_the_same_answers_in_a_new_process(
    fitted: MultiModalPredictor, tmp_path: Path
) -> None:
    """Each member is a model of its own in it."""
    folder = fitted.save(tmp_path / "model")
    rows = table(30)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    command = [sys.executable, "-c", _LOAD, folder, tmp_path / "rows.csv", tmp_path / "out.csv"]
    subprocess.run(command, check=True)
    found = pd.read_csv(tmp_path / "out.csv")
    assert np.allclose(found, fitted.predict_proba(rows), atol=1e-6)
    alone = MultiModalPredictor.load(folder / "engine" / "ft-1", verbosity=0)
    assert len(alone.predict(rows)) == 30


@pytest.mark.parametrize(
    ("bag", "said"),
    [
        ({"settings": {"ghost": {}}}, "ghost"),
        ({"members": {"a": "core:finetune"}, "settings": {"a": {"training.epoch": 1}}}, "epoch"),
        ({"members": {"one": "no:such"}}, "no:such"),
        ({"folds": 100}, "folds"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_fitted(bag: Any, said: str) -> None:
    """With what is wrong."""
    with pytest.raises(Exception, match=said):
        fit("sold", table().drop(columns="price"), {"id": "bag:bag", **bag})


def test_a_bag_in_a_bag() -> None:
    """A member may be any fitter."""
    inner = {"id": "bag:bag", "folds": 2}
    model = fit(
        "sold", table().drop(columns="price"), {**inner, "members": {"one": inner}}, epochs=1
    )
    assert len(model.predict(table(10))) == 10


def test_settings_of_its_own_network_are_refused() -> None:
    """It has none."""
    rows = table().drop(columns="price")
    settings = {"fit": "bag:bag", "backbones.tabular.width": 8}
    with pytest.raises(ConfigError, match="backbones"):
        MultiModalPredictor("sold", hyperparameters=settings, verbosity=0).fit(rows)
