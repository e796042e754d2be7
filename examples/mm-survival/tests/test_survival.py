"""The censoring counts, text counts, and effects may change over time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cohort import cohort, crossing
from mm_core import MultiModalPredictor
from mm_core.api import RecipeError

LABEL = ["months", "died"]
TABLE = ["age", "dose", *LABEL]
SCORES = ["concordance", "integrated_brier"]


def fit(frame: pd.DataFrame, **settings: Any) -> MultiModalPredictor:
    """A model of these rows; the task is named, as nothing asks for it where all have died."""
    return MultiModalPredictor(
        LABEL, problem_type="survival:hazards", hyperparameters=settings, verbosity=0
    ).fit(frame)


@pytest.fixture(scope="module")
def rows() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Training rows, test rows as they were seen, and as they would be without censoring."""
    seen, true = cohort(1600)
    return seen[:1000], seen[1000:], true[1000:]


@pytest.fixture(scope="module")
def of_table(rows: Any) -> MultiModalPredictor:
    """A model that reads the table alone."""
    return fit(rows[0][TABLE])


def test_two_label_columns_ask_for_the_task(rows: Any) -> None:
    """A time and a 0 or 1; not two numbers."""
    assert MultiModalPredictor(LABEL).plan(rows[0][TABLE]).task.id == "survival:hazards"
    with pytest.raises(Exception, match="no task recognises"):
        MultiModalPredictor(["months", "age"]).plan(rows[0][TABLE])


@pytest.mark.parametrize("ignoring", ["an event in every row", "rows with an event alone"])
def test_censored_rows_are_better_used_than_ignored(
    rows: Any, of_table: MultiModalPredictor, ignoring: str
) -> None:
    """Scored by the true times: 0.67 and 0.15 against 0.52 and 0.57, 0.22 and 0.22."""
    train, _, true = rows
    every = train.assign(died=1) if ignoring == "an event in every row" else train[train.died == 1]
    aware, ignorant = (one.evaluate(true, SCORES) for one in (of_table, fit(every[TABLE])))
    assert aware["concordance"] > ignorant["concordance"] + 0.06
    assert aware["integrated_brier"] < ignorant["integrated_brier"] - 0.04


def test_text_adds_what_the_table_does_not_say(rows: Any, of_table: MultiModalPredictor) -> None:
    """Two backbones and a fusion head: 0.82 against 0.69. Any of it may be missing."""
    train, test, _ = rows
    both = fit(train, **{"backbones.text.checkpoint": "random", "training.epochs": 15})
    scores = [one.evaluate(test)["integrated_brier"] for one in (of_table, both)]
    assert scores[1] < scores[0] - 0.03
    gaps = test[["age", "dose", "note"]].head(3).copy()
    gaps.loc[gaps.index[0], "note"] = None
    gaps.loc[gaps.index[1], ["age", "dose"]] = np.nan
    answers = both.predict(gaps)
    assert answers.months.between(0, train.months.max()).all()


def test_a_head_without_a_vector_is_refused(rows: Any) -> None:
    """Logits that are final leave nothing to split."""
    with pytest.raises(RecipeError, match="one vector") as caught:
        fit(rows[0], **{"backbones.text.checkpoint": "random", "fusion": "logit"})
    assert "concat_mlp" in str(caught.value.remedy)


def test_effects_change_over_time() -> None:
    """Where hazards cross, proportional ones see no effect at all: 0.158 against 0.170."""
    frame = crossing(1400)
    changing, proportional = (fit(frame[:700], **{"task.flexibility": r}) for r in (2, 0))
    scores = [one.evaluate(frame[700:])["integrated_brier"] for one in (changing, proportional)]
    assert scores[0] < scores[1] - 0.007
    chance = changing.predict_proba(pd.DataFrame({"treatment": ["surgery", "drug"]})).cumsum(axis=1)
    early, late = chance.columns[2], chance.columns[-2]
    assert chance.loc[0, early] > chance.loc[1, early] + 0.1
    assert chance.loc[0, late] < chance.loc[1, late]


def test_shrinkage_leads_back_to_proportional_hazards() -> None:
    """Curves of two treatments cross without it, and not with much of it."""
    frame = crossing(700)
    both = pd.DataFrame({"treatment": ["surgery", "drug"]})
    difference = []
    for shrinkage in (0.0, 100.0):
        chance = fit(frame, **{"task.shrinkage": shrinkage}).predict_proba(both).cumsum(axis=1)
        difference.append(float((chance.loc[0] - chance.loc[1]).abs().max()))
    assert difference[1] < difference[0] / 2


def test_a_row_with_nothing_has_the_curve_of_the_population(of_table: MultiModalPredictor) -> None:
    """Near half of the made-up patients have died at the answered time."""
    _, true = cohort(20000, seed=7)
    answer = of_table.predict(pd.DataFrame({"age": [None], "dose": [None]}))
    assert (true.months < answer.months[0]).mean() == pytest.approx(0.5, abs=0.1)


def test_a_saved_model_answers_the_same(
    rows: Any, of_table: MultiModalPredictor, tmp_path: Path
) -> None:
    """Curves, too."""
    of_table.save(tmp_path / "model")
    again = MultiModalPredictor.load(tmp_path / "model")
    assert again.predict(rows[1]).equals(of_table.predict(rows[1]))
    assert np.allclose(again.predict_proba(rows[1]), of_table.predict_proba(rows[1]))
