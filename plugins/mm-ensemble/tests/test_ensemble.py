"""Members by their own recipes, weights by held-out rows, and one folder for all."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_ensemble import leaderboard
from mm_ensemble.selecting import select

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, MMWarning, Table, tools
from mm_core.api.tools import model_of, outputs, result_of
from mm_core.scoring import Scorer
from mm_core.testing import forked
from mm_core.testing.kit import KIT

from .conftest import fit, rows_for

pytestmark = pytest.mark.filterwarnings("ignore:the weights of left are new")


def test_best_quality_is_an_ensemble_and_names_its_members(fitted: MultiModalPredictor) -> None:
    """The plan names those that it is made of, and who says so; a setting of a network's own is
    the network's."""
    rows = rows_for("sold")
    model = MultiModalPredictor("sold", presets="best_quality", verbosity=0, plugins=[KIT])
    plan = model.plan(rows)
    assert plan.fit.id == "ensemble:greedy"
    assert plan.origin("fit.id") == "preset best_quality"
    members = {name: one["id"] for name, one in plan.fit.config["members"].items()}
    assert members == {
        "trees": "trees:catboost",
        "leafwise": "trees:lightgbm",
        "features": "ensemble:features",
        "network": "core:finetune",
    }
    other = model.plan(rows, hyperparameters={"fusion": "core:mean"})
    assert other.fit.id == "core:finetune"
    assert "ensemble:greedy reads no fusion" in other.origin("fit.id")
    for preset in ("medium_quality", "high_quality"):
        assert not model.plan(rows, presets=preset).fit.id.startswith("ensemble")


def test_no_member_is_better_than_all_on_the_rows_that_chose(fitted: MultiModalPredictor) -> None:
    """And each is told: score, weight, pace; of a modality alone too."""
    (said,) = fitted.history.to_dict("records")
    names = [key.removesuffix(".weight") for key in said if key.endswith(".weight")]
    assert names == ["trees", "features", "network", "left_alone"]
    assert said["roc_auc"] >= max(said[f"{name}.roc_auc"] for name in names)
    assert sum(said[f"{name}.weight"] for name in names) == pytest.approx(1)
    assert said["roc_auc"] > 0.85
    stopped = result_of(fitted).stopped
    assert all(name in stopped for name in names)
    assert "ms a row" in stopped
    assert "chosen on 48 rows, which is few" in stopped


def test_members_of_no_weight_are_not_in_the_model(fitted: MultiModalPredictor) -> None:
    """They would cost time at every answer."""
    (said,) = fitted.history.to_dict("records")
    kept = {key.removesuffix(".weight") for key in said if key.endswith(".weight") and said[key]}
    assert set(model_of(fitted).engine.members) == kept


def test_answers_are_the_weighted_mean(fitted: MultiModalPredictor) -> None:
    """Of the probabilities that the members' own models give."""
    rows = rows_for("sold", 20, seed=1)
    total = np.zeros((20, 2))
    model = model_of(fitted)
    for member in model.engine.members.values():
        (one,) = member.models
        found, meta, _ = outputs(one.model, Table(rows, Path()))
        total += member.weight * one.model.pipeline.decode(found, meta).proba.to_numpy()
    found, _, _ = outputs(model, Table(rows, Path()))
    assert np.allclose(np.exp(found["logits"]), total, atol=1e-5)


BOTH = {
    "fit.members.features": None,
    "fit.members.features.learner": "unset",
    "fit.alone": False,
    "fit.settings": "unset",
}
"""Trees and the network."""


def test_members_of_no_weight_may_be_kept_and_change_nothing() -> None:
    """They are on the leaderboard."""
    bad = {"network": {"training.head_learning_rate": 1e-9, "training.epochs": 1}}
    kept, dropped = (
        fit("sold", **{**BOTH, "fit.settings": bad, "fit.keep": keep, "fit.steps": 1})
        for keep in (True, False)
    )
    rows = rows_for("sold", 60, seed=4)
    assert set(model_of(dropped).engine.members) == {"trees"}
    assert set(model_of(kept).engine.members) == {"trees", "network"}
    assert np.allclose(kept.predict_proba(rows), dropped.predict_proba(rows))
    table = kept.leaderboard(rows).set_index("member")
    assert table.weight["network"] == 0
    assert np.isfinite(table.roc_auc["network"])


@pytest.mark.parametrize(
    ("label", "metric"), [("price", "r2"), ("level", "accuracy"), ("tags", "f1_macro")]
)
def test_all_kinds_of_labels(label: str, metric: str) -> None:
    """Numbers in their own unit, several classes, several labels of a row."""
    model = fit(label, **{**BOTH, "training.epochs": 12})
    assert model.evaluate(rows_for(label), metric)[metric] > 0.5
    (said,) = model.history.to_dict("records")
    assert said["network.weight"] + said["trees.weight"] == pytest.approx(1)


def test_a_quantile_is_one_of_the_means() -> None:
    """Members trained by a loss that all of them know are averaged."""
    model = fit("price", **{**BOTH, "training.loss": "quantile", "training.loss.level": 0.9})
    rows = rows_for("price")
    assert np.mean(rows.price < model.predict(rows)) > 0.7


_LOAD = """
import sys
import pandas as pd
from mm_core import MultiModalPredictor
model = MultiModalPredictor.load(sys.argv[1], plugins=[sys.argv[4]])
model.predict_proba(pd.read_csv(sys.argv[2])).to_csv(sys.argv[3], index=False)
"""


def test_one_folder_gives_the_same_answers_in_a_new_process(
    fitted: MultiModalPredictor, tmp_path: Path
) -> None:
    """Each member is a model of its own in it."""
    folder = fitted.save(tmp_path / "model")
    rows = rows_for("sold", 30, seed=2)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    files = [folder, tmp_path / "rows.csv", tmp_path / "out.csv", KIT]
    forked.python(["-c", _LOAD, *map(str, files)]).check_returncode()
    found = pd.read_csv(tmp_path / "out.csv")
    assert np.allclose(found, fitted.predict_proba(rows), atol=1e-6)
    name = next(iter(model_of(fitted).engine.members))
    alone = MultiModalPredictor.load(folder / "engine" / f"{name}-0", verbosity=0, plugins=[KIT])
    assert len(alone.predict(rows)) == 30
    assert not [file for file in folder.rglob("*") if file.suffix in (".pkl", ".pickle", ".pt")]


def test_the_leaderboard_scores_every_member(fitted: MultiModalPredictor) -> None:
    """As the predictor itself scores: the ensemble's row is what evaluate says."""
    rows = rows_for("sold", 100, seed=3)
    table = fitted.leaderboard(rows).set_index("member")
    assert table.roc_auc["ensemble"] == pytest.approx(fitted.evaluate(rows)["roc_auc"])
    members = [name for name in table.index if table.weight[name] > 0]
    assert set(members) == set(model_of(fitted).engine.members)
    assert (table.megabytes[members] > 0).all()
    assert (table.ms_per_row[members] > 0).all()
    assert table.megabytes["ensemble"] == pytest.approx(table.megabytes[members].sum())
    scored = table.roc_auc.dropna()
    assert list(scored) == sorted(scored, reverse=True)
    both = fitted.leaderboard(rows, ["log_loss", "accuracy"])
    assert list(both.log_loss.dropna()) == sorted(both.log_loss.dropna())
    with pytest.raises(ConfigError, match="none is named"):
        fitted.leaderboard(rows, [])


def test_the_pace_is_of_answers_alone(
    fitted: MultiModalPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is imported at the first answer is not in it, nor the time of the metrics."""
    clock, seen = [0.0], set()

    def stream(model: Any, *rest: Any) -> Any:
        for some in tools.stream(model, *rest):
            clock[0] += 1 if id(model) in seen else 1000
            seen.add(id(model))
            yield some

    def compute(scorer: Scorer) -> Any:
        clock[0] += 1000
        return first(scorer)

    first = Scorer.compute
    monkeypatch.setattr(Scorer, "compute", compute)
    monkeypatch.setattr(leaderboard, "stream", stream)
    monkeypatch.setattr(leaderboard, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    table = fitted.leaderboard(rows_for("sold", 100, seed=3))
    assert set(table.ms_per_row.dropna()) == {10.0}


def test_time_that_is_over_leaves_members_out_which_is_said() -> None:
    """The first is fitted whatever it takes."""
    model = fit("sold", call={"time_limit": 0.01})
    (said,) = model.history.to_dict("records")
    assert [key for key in said if key.endswith(".weight")] == ["trees.weight"]
    assert "network (no time left)" in result_of(model).stopped


def test_members_without_a_column_are_left_out_which_is_said() -> None:
    """Unless the user names them: then it is an error."""
    rows = rows_for("sold")[["point", "sold"]]
    model = fit("sold", rows, **{"fit.settings": "unset"})
    (said,) = model.history.to_dict("records")
    assert [key for key in said if key.endswith(".weight")] == ["features.weight", "network.weight"]
    assert "trees (no column of tabular)" in result_of(model).stopped
    with pytest.raises(Exception, match="trees:catboost reads tabular"):
        fit("sold", rows, **{"fit.members.trees": "trees:catboost", "fit.settings": "unset"})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"fit.settings": {"ghost": {}}}, "ghost"),
        ({"fit.settings": {"right_alone": {}}}, "right_alone"),
        ({"fit.settings": {"network": {"training.epoch": 1}}}, "epoch"),
        ({"fit.members.one": "no:such"}, "no:such"),
        ({"fit.members.One": "core:finetune"}, "a-z"),
        ({"backbones.left.learning_rate": 1}, "backbones"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_fitted(settings: Any, said: str) -> None:
    """With what is wrong."""
    began = time.monotonic()
    with pytest.raises(Exception, match=said):
        fit("sold", **settings)
    assert time.monotonic() - began < 10


def test_a_member_that_cannot_be_fitted_is_left_out_and_told() -> None:
    """Its loss is no number soon; the trees answer."""
    wild = {"network": {"training.head_learning_rate": 1e30, "training.clip_norm": None}}
    with pytest.warns(MMWarning, match="the member network of the ensemble is left out"):
        model = fit("sold", **{**BOTH, "fit.settings": wild})
    assert list(model_of(model).engine.members) == ["trees"]
    assert "network (it could not be fitted)" in result_of(model).stopped


def test_the_choice_of_weights() -> None:
    """The best mean of all that were met on the way, the shortest of equals."""
    right = {"a": np.array([1.0, 0.0, 1.0]), "b": np.array([0.0, 1.0, 1.0]), "c": np.zeros(3)}

    def score(counts: Any) -> float:
        mean = sum(n * right[name] for name, n in counts.items()) / sum(counts.values())
        return -float(((mean - [0.75, 0.25, 1.0]) ** 2).sum())

    assert select(["a", "b", "c"], score, 20) == {"a": 0.75, "b": 0.25}
    assert select(["c"], score, 5) == {"c": 1.0}
    assert select(["b", "a"], lambda counts: float("-inf"), 5) == {"b": 1.0}
