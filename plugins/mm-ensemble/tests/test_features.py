"""Encoders as features of trees: what they add, what is missing, and what is saved."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_ensemble.features import _deadline
from mm_ensemble.pca import PCA

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, MMWarning
from mm_core.api.tools import model_of, result_of
from mm_core.testing import forked
from mm_core.testing.kit import KIT

from .conftest import rows_for
from .test_ensemble import _LOAD

pytestmark = pytest.mark.filterwarnings("ignore:the weights of left are new")
SMALL = {"threads": 1, "rounds": 150, "learning_rate": 0.1}


def fit(
    label: str, rows: pd.DataFrame, tuning_data: Any = None, **settings: Any
) -> MultiModalPredictor:
    learner = {f"fit.learner.{name}": value for name, value in SMALL.items()}
    wished = {"fit": "ensemble:features", **learner, **settings}
    model = MultiModalPredictor(label, hyperparameters=wished, verbosity=0, plugins=[KIT])
    return model.fit(rows, tuning_data=tuning_data)


@pytest.fixture(scope="module")
def fitted() -> MultiModalPredictor:
    return fit("price", rows_for("price", 400))


def test_the_encoder_tells_the_trees_what_the_table_does_not(fitted: MultiModalPredictor) -> None:
    """Two thirds of the label stand in a column that trees cannot read."""
    rows, new = rows_for("price", 400), rows_for("price", 200, seed=5)
    trees = {"fit": "trees:catboost", **{f"fit.{name}": value for name, value in SMALL.items()}}
    plain = MultiModalPredictor("price", hyperparameters=trees, verbosity=0)
    plain.fit(rows.drop(columns="point"))
    assert fitted.evaluate(new, "r2")["r2"] > plain.evaluate(new, "r2")["r2"] + 0.1


def test_the_summary_says_how_many_dimensions(fitted: MultiModalPredictor) -> None:
    """And the learner's importances name them beside the table's columns."""
    assert "left in 16 of 16 dimensions (100% of the variance)" in result_of(fitted).stopped
    learner = model_of(fitted).engine.learner.model.engine
    names = list(learner.importances)
    assert {"height", "place", "left_0", "left_15"} <= set(names)


def test_a_row_without_that_cell_is_answered(fitted: MultiModalPredictor) -> None:
    """Its components are missing, which trees know; what is in other rows changes nothing."""
    rows = rows_for("price", 6, seed=7)
    rows.loc[2, "point"] = None
    found = fitted.predict(rows)
    assert np.isfinite(found).all()
    alone = fitted.predict(rows.iloc[[2]])
    assert found.iloc[2] == pytest.approx(alone.iloc[0])
    assert found.iloc[3] == pytest.approx(fitted.predict(rows.iloc[[3]]).iloc[0])


def test_it_is_the_same_in_a_new_process(fitted: MultiModalPredictor, tmp_path: Path) -> None:
    """Components lie beside the encoder, as safetensors."""
    folder = fitted.save(tmp_path / "model")
    rows = rows_for("price", 30, seed=2)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    files = [folder, tmp_path / "rows.csv", tmp_path / "out.csv", KIT]
    command = ["-c", _LOAD.replace("predict_proba", "predict"), *map(str, files)]
    forked.python(command).check_returncode()
    found = pd.read_csv(tmp_path / "out.csv")["price"]
    assert np.allclose(found, fitted.predict(rows), rtol=1e-5)
    assert (folder / "engine" / "left.safetensors").is_file()


def test_what_was_encoded_is_learned_from_though_time_is_over() -> None:
    """All that went into it would be lost."""
    now = time.monotonic()
    late = SimpleNamespace(deadline=now - 1)
    assert _deadline(late, now - 100) == pytest.approx(now + 10, abs=1)  # type: ignore[arg-type]
    early = SimpleNamespace(deadline=now + 500)
    assert _deadline(early, now - 100) == now + 500  # type: ignore[arg-type]
    assert _deadline(SimpleNamespace(deadline=None), now) is None  # type: ignore[arg-type]


TUNED = {
    "fit.tuned": "core:finetune",
    "fit.tuned_settings": {"training.epochs": 30, "training.head_learning_rate": 3e-2},
    "fit.folds": 2,
}


def test_answers_of_tuned_networks_are_of_rows_that_they_have_not_seen() -> None:
    """The points are noise, and few enough to be learned by heart, which validation on the same
    rows asks for: a network that had seen the rows would know their labels, and the trees would
    believe it and nothing else."""
    rng = np.random.default_rng(0)
    rows = rows_for("sold", 160).assign(sold=np.nan)
    rows["sold"] = np.where(rows.height + 0.5 * rng.normal(size=160) > 0, "yes", "no")
    new = rows_for("sold", 300, seed=8)
    new["sold"] = np.where(new.height + 0.5 * rng.normal(size=300) > 0, "yes", "no")
    model = fit("sold", rows, rows, **TUNED)
    engine = model_of(model).engine
    assert len(engine.encoders["left"].tuned) == 2
    assert "the answers of 2 networks" in result_of(model).stopped
    importances = engine.learner.model.engine.importances
    answer = engine.encoders["left"].names[-1]
    assert importances[answer] < importances["height"] / 2
    assert model.evaluate(new)["roc_auc"] > 0.8


def test_answers_of_tuned_networks_help_and_are_saved(tmp_path: Path) -> None:
    """Where the label stands in the points."""
    rows, new = rows_for("sold", 300), rows_for("sold", 300, seed=8)
    model = fit("sold", rows, **TUNED)
    again = MultiModalPredictor.load(model.save(tmp_path / "model"), verbosity=0, plugins=[KIT])
    assert np.allclose(again.predict_proba(new), model.predict_proba(new), atol=1e-6)
    plain = fit("sold", rows)
    assert model.evaluate(new)["roc_auc"] > plain.evaluate(new)["roc_auc"]


def test_a_network_may_read_them_too() -> None:
    """Any fitter of tables."""
    rows = rows_for("price", 200)
    wished = {"fit.learner": "core:finetune", "training.epochs": 3}
    model = MultiModalPredictor(
        "price", hyperparameters={"fit": "ensemble:features", **wished}, verbosity=0, plugins=[KIT]
    ).fit(rows)
    (learner,) = [model_of(model).engine.learner.model.recipe]
    assert "left_0" in learner.inputs["tabular"].columns
    assert "point" not in learner.inputs["tabular"].columns


def test_components_take_other_names_than_the_users_columns() -> None:
    """Nothing is overwritten."""
    rows = rows_for("price", 120).assign(left_0=1.0)
    rows["left_0"] = np.arange(120.0)
    model = fit("price", rows, **{"fit.learner.rounds": 5})
    (encoder,) = model_of(model).engine.encoders.values()
    assert encoder.names[0] == "left__0"


def test_a_table_alone_has_nothing_to_encode() -> None:
    with pytest.raises(ConfigError, match="nothing to encode"):
        fit("price", rows_for("price").drop(columns="point"))


def test_weights_that_are_new_are_told() -> None:
    """An encoder that was never trained says little."""
    with pytest.warns(MMWarning, match="the weights of left are new"):
        fit("price", rows_for("price", 60), **{"fit.learner.rounds": 2})


def test_components_are_those_of_the_variance() -> None:
    """Of vectors on a line one; missing rows count for nothing and stay missing."""
    line = np.outer(np.arange(10.0), [3.0, 4.0]).astype(np.float32)
    line[4] = np.nan
    pca = PCA.fit(line, 5)
    assert pca.components.shape == (1, 2)
    assert np.allclose(pca.components, [[0.6, 0.8]], atol=1e-6)
    assert pca.share == pytest.approx(1)
    assert np.isnan(pca.apply(line)[4]).all()
    assert np.allclose(np.diff(pca.apply(line)[:4, 0]), 5, atol=1e-4)
    assert PCA.fit(np.full((3, 2), np.nan, np.float32), 2).apply(line).shape == (10, 0)
