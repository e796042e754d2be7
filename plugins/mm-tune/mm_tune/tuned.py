"""What a search came to: an object, a table, a picture, a recipe."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mm_core.api import TrainingError
from mm_core.api.tools import Recipe
from mm_tune.objective import Objective
from mm_tune.picture import picture
from mm_tune.study import Study, outcome_of

TABLE, PICTURE, RECIPE = "trials.csv", "trials.svg", "recipe.json"


@dataclass(frozen=True)
class Tuned:
    """What a search came to.

    Attributes:
        settings: the best, those that were searched.
        score: of validation, with them.
        metric: of that score.
        recipe: with them; what ``fit(recipe=...)`` follows.
        trials: a row each: ``trial``, ``state`` (done, pruned, failed; cut, where the end of the
            time may have stopped it), ``score`` (of the best validation), ``seconds``, the
            settings, ``why`` it failed. The first is of the settings as they are.
        resumed: trials that were there before.
    """

    settings: dict[str, Any]
    score: float
    metric: str
    recipe: Recipe
    trials: pd.DataFrame
    resumed: int


def tuned(
    study: Study, objective: Objective, plan: Recipe, place: Path | None, resumed: int
) -> Tuned:
    """The best of all trials; table, picture and recipe are written.

    Raises:
        TrainingError: there is none.
    """
    frame = study.frame(plan.flat())
    if place is not None:
        frame.to_csv(place / TABLE, index=False)
    best = study.best()
    if best is None:
        raise _none(frame)
    recipe = objective.arguments.plan(objective.table, best.params)
    if place is not None:
        (place / RECIPE).write_text(recipe.to_json(), encoding="utf-8")
        logs = {key for key, one in study.space.items() if one.log}
        drawn = picture(frame, list(study.space), objective.metric, study.higher, logs)
        (place / PICTURE).write_text(drawn, encoding="utf-8")
    score = outcome_of(best)["score"]
    return Tuned(dict(best.params), score, objective.metric, recipe, frame, resumed)


def counted(trials: int) -> str:
    """``1 trial``, ``2 trials``"""
    return f"{trials} trial{'' if trials == 1 else 's'}"


def stopped(study: Study, place: Path | None) -> str:
    """What is said of a search that a user, or a batch system, ends."""
    ended, best = counted(len(study.ended())), study.best()
    if place is not None:
        return f"stopped after {ended}; the same command goes on, in {place}"
    found = ""
    if best is not None:
        by = json.dumps(best.params) if best.params else "the settings as they are"
        found = f", the best {outcome_of(best)['score']:.4f} by {by}"
    return f"stopped after {ended}{found}; they are lost: --out FOLDER keeps them"


def _none(frame: pd.DataFrame) -> TrainingError:
    failed = frame[frame.state == "failed"]
    if len(failed):
        said = f"none of {counted(len(frame))} came to a score: {failed.why.iloc[-1]}"
        return TrainingError(said, plugin="tune", remedy="search another space")
    said = "the time was over before a trial had come to a score"
    return TrainingError(said, plugin="tune", remedy="give it more time")
