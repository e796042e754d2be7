"""A second layer, which learns from what was said of rows unseen, and members fitted anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_ensemble.votes import votes_of

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, MMWarning, RunSettings, Table, TrainingError
from mm_core.api.tools import model_of, result_of
from mm_core.training.job import Job

TREES = {"id": "trees:lightgbm", "threads": 1, "rounds": 40, "learning_rate": 0.2}
KNOWING = {**TREES, "min_rows": 1, "leaves": 64, "rounds": 80, "patience": 80}
"""Knows its rows by heart."""
ONLY_TREES: dict[str, Any] = {
    "fit.members.features": None,
    "fit.members.network": None,
    "fit.members.leafwise": None,
    "fit.members.trees": TREES,
    "fit.alone": False,
}


def rows(n: int = 160, *, noise: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    found = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    found["sold"] = np.where((rng.normal(size=n) if noise else found.a + found.b) > 0, "yes", "no")
    return found


def fit(frame: pd.DataFrame, fitter: str, call: Any = None, **settings: Any) -> MultiModalPredictor:
    wished = {"fit": fitter, **ONLY_TREES, **settings}
    predictor = MultiModalPredictor("sold", hyperparameters=wished, verbosity=0)
    return predictor.fit(frame, **(call or {}))


@pytest.fixture(scope="module")
def stacked() -> MultiModalPredictor:
    """Whose second layer answers alone: what it has to say of noise is nothing."""
    return fit(
        rows(noise=True),
        "ensemble:bagged",
        **{
            "fit.folds": 2,
            "fit.members.trees": KNOWING,
            "fit.second.above": TREES,
            "fit.keep": True,
            "data.validation_metric": "accuracy",
        },
    )


def test_the_second_layer_learns_from_what_was_said_of_rows_unseen(
    stacked: MultiModalPredictor,
) -> None:
    """The first knows its rows by heart: fed with that, the second would trust it blindly."""
    (said,) = stacked.history.to_dict("records")
    engine = model_of(stacked).engine
    above = engine.second.members["above"].models
    assert len(above) == 2
    known = np.mean([stacked_score(engine.members["trees"].models[0].model)])
    assert known > 0.75  # of half of the rows it knows all, of the others nothing
    assert said["above.accuracy"] < 0.65
    for one in above:  # nor does it lean on it: the first is no better than the table
        assert one.result.best_score < 0.7


def stacked_score(model: Any) -> float:
    frame = rows(noise=True)
    votes, _ = votes_of(model, Table(frame, Path()), RunSettings())
    return float((votes.values.argmax(axis=1) == (frame.sold == "yes")).mean())


def test_a_second_layer_is_saved_and_scored(stacked: MultiModalPredictor, tmp_path: Path) -> None:
    frame = rows(noise=True)
    again = MultiModalPredictor.load(stacked.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(again.predict_proba(frame), stacked.predict_proba(frame))
    table = again.leaderboard(frame, ["accuracy"]).set_index("member")
    assert set(table.index) == {"trees", "above", "ensemble"}
    assert table.accuracy["trees"] > 0.7  # the mean of both folds' models has seen all


def test_a_second_layer_that_learns_answers() -> None:
    model = fit(
        rows(),
        "ensemble:bagged",
        {"tuning_data": rows(200).iloc[160:]},
        **{"fit.folds": 2, "fit.second.above": TREES, "fit.steps": 1},
    )
    (said,) = model.history.to_dict("records")
    assert said["above.roc_auc"] > 0.85
    assert model.evaluate(rows(300).iloc[200:])["roc_auc"] > 0.8


def test_names_of_the_second_layer_are_its_own() -> None:
    with pytest.raises(ConfigError, match="second layer"):
        fit(rows(), "ensemble:bagged", **{"fit.second.trees": TREES})


def test_members_are_fitted_anew_on_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """For as many rounds as the best validation had, at that rate; the task is calibrated by the
    first models. Those that are kept for the leaderboard only stay as they are."""
    idle = {"fit.members.idle": {**TREES, "rounds": 1}, "fit.keep": True, "fit.steps": 1}
    first = fit(rows(), "ensemble:greedy")
    anew = fit(rows(), "ensemble:greedy", **{"fit.refit": True}, **idle)
    assert result_of(anew).stopped.endswith("fitted anew on all 160 rows: trees")
    (one,), (other,) = (model_of(m).engine.members["trees"].models for m in (first, anew))
    best = max(one.result.history, key=lambda record: record["roc_auc"])
    assert other.model.recipe.fit.model_dump()["rounds"] == best["step"]
    assert other.model.recipe.fit.model_dump()["learning_rate"] == 0.2
    assert not np.allclose(first.predict_proba(rows()), anew.predict_proba(rows()))
    assert model_of(first).task.state() == model_of(anew).task.state()


def test_folds_become_one_model() -> None:
    model = fit(rows(), "ensemble:bagged", **{"fit.folds": 2, "fit.refit": True})
    assert len(model_of(model).engine.members["trees"].models) == 1
    assert model.evaluate(rows())["roc_auc"] > 0.9


def test_a_second_layer_stays_as_it_is_which_is_said() -> None:
    """It read what models said of rows that they had not seen, and there are none such now."""
    model = fit(
        rows(),
        "ensemble:bagged",
        {"tuning_data": rows(200).iloc[160:]},
        **{
            "fit.folds": 2,
            "fit.refit": True,
            "fit.second.above": TREES,
            "fit.steps": 1,
            "fit.members.trees": {**TREES, "rounds": 1, "min_rows": 80},
        },
    )
    (said,) = model.history.to_dict("records")
    assert said["above.weight"] == 1
    told = result_of(model).stopped
    assert "fitted anew on all" in told
    assert told.endswith(": trees; not above (of the second layer)")


def test_a_member_that_cannot_be_fitted_anew_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first model answers, and the line after the fit says so."""
    first = Job.submodel

    def submodel(job: Job, settings: Any, train: Any = None, *rest: Any) -> Any:
        if len(train) == 160:
            raise TrainingError("too much for it", plugin="trees:lightgbm", remedy="none")
        return first(job, settings, train, *rest)

    monkeypatch.setattr(Job, "submodel", submodel)
    with pytest.warns(MMWarning, match="trees of the ensemble is not fitted anew: too much for it"):
        model = fit(rows(), "ensemble:greedy", **{"fit.refit": True})
    assert "not trees (it could not be fitted)" in result_of(model).stopped
    assert model.evaluate(rows())["roc_auc"] > 0.9


@pytest.mark.parametrize("fitter", ["ensemble:greedy", "ensemble:bagged"])
def test_a_member_that_fails_is_left_out(fitter: str, tmp_path: Path) -> None:
    """In whichever of its folds; the others answer."""
    broken = tmp_path / "broken.py"
    broken.write_text(BROKEN)
    wished = {"fit": fitter, **ONLY_TREES, "fit.members.broken": "broken:broken"}
    if fitter == "ensemble:bagged":
        wished["fit.folds"] = 2
    model = MultiModalPredictor("sold", hyperparameters=wished, verbosity=0, plugins=[broken])
    with pytest.warns(MMWarning, match="broken of the ensemble is left out: its library says no"):
        model.fit(rows())
    assert list(model_of(model).engine.members) == ["trees"]
    assert "left out broken (it could not be fitted)" in result_of(model).stopped


BROKEN = """
from mm_core.api import Fitter, FitterSpec, PluginInfo, TrainingError, hookimpl

@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Fails.")

@hookimpl
def mm_fitters():
    return [FitterSpec(name="broken", summary="Fails.", target="broken:Broken")]

class Broken(Fitter):
    def fit(self, job):
        raise TrainingError("its library says no", plugin="broken:broken", remedy="none")
"""


def test_without_time_the_first_models_stay() -> None:
    model = fit(rows(), "ensemble:greedy", {"time_limit": 0.01}, **{"fit.refit": True})
    assert "not trees (no time left)" in result_of(model).stopped
    assert len(model_of(model).engine.members["trees"].models) == 1
