"""Pairs with a label: a match or not, or a grade."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_matching.samples import ASKED, WORDS

from mm_core import MultiModalPredictor
from mm_core.api import ColumnError, LabelError

ROWS = pd.DataFrame(
    {
        "asked": [*ASKED, *ASKED, *ASKED],
        "said": [*WORDS, *np.roll(WORDS, 5), *np.roll(WORDS, 3)],
        "same": ["yes"] * 16 + ["no"] * 32,
    }
)


@pytest.fixture(scope="module")
def matched(texts: Any) -> MultiModalPredictor:
    """A model of pairs that match or not."""
    settings = {"training.epochs": 40, "topology.loss": "cosent"}
    return texts("same", match_label="yes", **settings).fit(ROWS, tuning_data=ROWS)


def test_it_answers_the_label(matched: MultiModalPredictor) -> None:
    """With probabilities that sum to one; scored by the core's metrics too."""
    answer, proba = matched.predict(ROWS), matched.predict_proba(ROWS)
    assert set(answer) <= {"yes", "no"}
    assert matched.class_labels == ["no", "yes"]
    assert matched.positive_class == "yes"
    assert np.allclose(proba.sum(axis=1), 1)
    scores = matched.evaluate(ROWS, ["pairs", "roc_auc", "f1", "mrr", "spearman"])
    assert scores["roc_auc"] == pytest.approx(scores["pairs"])
    assert min(scores.values()) > 0.6
    assert scores["roc_auc"] > 0.9


def test_it_does_not_say_match_to_everything(matched: MultiModalPredictor) -> None:
    """A third matches (AutoMM's threshold, a cosine above 0, says match to nearly all)."""
    share = (matched.predict(ROWS) == "yes").mean()
    assert 0.15 < share < 0.55
    cosines = (
        matched.extract_embedding(ROWS, of="query") * matched.extract_embedding(ROWS, of="response")
    ).sum(axis=1)
    assert (matched.predict(ROWS, threshold=-1.0) == "yes").all()
    found = matched.predict(ROWS, threshold=0.5) == "yes"
    assert (found.to_numpy() == (cosines >= 0.5)).mean() > 0.95  # but for the last bit


def test_nothing_to_compare_is_neither(matched: MultiModalPredictor) -> None:
    """A missing side: no label, and an even chance."""
    rows = ROWS.head(3).assign(said=[None, WORDS[1], WORDS[2]])
    assert matched.predict(rows).isna().tolist() == [True, False, False]
    assert matched.predict_proba(rows).iloc[0].tolist() == [0.5, 0.5]


def test_it_is_saved_with_what_it_learned(matched: MultiModalPredictor, tmp_path: Path) -> None:
    """Classes, curve and threshold."""
    matched.save(tmp_path / "model")
    again = MultiModalPredictor.load(tmp_path / "model", verbosity=0)
    assert again.predict_proba(ROWS).equals(matched.predict_proba(ROWS))
    assert again.predict(ROWS).equals(matched.predict(ROWS))


def test_grades_are_learned(texts: Any) -> None:
    """AutoMM reads no grades. Answers are on their scale."""
    rows = ROWS.assign(grade=[5.0] * 16 + [1.0] * 16 + [2.5] * 16).drop(columns="same")
    fitted = texts("grade", **{"training.epochs": 40}).fit(rows, tuning_data=rows)
    assert fitted.recipe.task.config["supervision"] == "grades"
    scores = fitted.evaluate(rows, ["pairs", "spearman", "rmse"])
    assert scores["pairs"] == scores["spearman"] > 0.6
    assert scores["rmse"] < 1.4  # the deviation of the grades is 1.65
    assert fitted.predict(rows).name == "grade"


def test_several_labels_of_which_one_matches(texts: Any) -> None:
    """AutoMM: an error. Answers are whether it matches."""
    kinds = ["same"] * 16 + ["other"] * 16 + ["neither"] * 16
    rows = ROWS.drop(columns="same").assign(kind=kinds)
    fitted = texts("kind", match_label="same", **{"training.epochs": 1}).fit(rows, tuning_data=rows)
    assert fitted.class_labels == [False, True]
    assert 0 <= fitted.evaluate(rows, "roc_auc")["roc_auc"] <= 1


@pytest.mark.parametrize(
    ("labels", "given", "says"),
    [
        (["a", "b"] * 24, {}, "match_label='b'"),
        (["a", "b"] * 24, {"match_label": "c"}, "labels: a, b"),
        ([1] * 48, {}, "leave the label out"),
        ([2.0] * 48, {}, "different grades"),
        ([0, 1, None] * 16, {}, "label"),
    ],
)
def test_labels_that_say_nothing_are_refused(
    texts: Any, labels: list[Any], given: dict[str, Any], says: str
) -> None:
    with pytest.raises(LabelError) as caught:
        texts("same", **given, **{"training.epochs": 1}).fit(ROWS.assign(same=labels))
    assert says in f"{caught.value} {caught.value.remedy}"


def test_a_match_label_without_a_label_is_refused(texts: Any) -> None:
    """Before anything is trained."""
    with pytest.raises(LabelError, match="no label is named"):
        texts(match_label="yes").fit(ROWS)


def test_a_side_that_is_not_there_is_named(texts: Any) -> None:
    with pytest.raises(ColumnError, match="said"):
        texts().fit(ROWS[["asked"]])


def test_labels_of_rows_that_were_not_fitted_are_read_when_they_come(texts: Any) -> None:
    """Without a fit: first rows without the label, then rows with it."""
    predictor = texts("same", match_label="yes")
    assert predictor.predict(ROWS[["asked", "said"]]).name == "similarity"
    assert 0 <= predictor.evaluate(ROWS, "roc_auc")["roc_auc"] <= 1
    assert set(predictor.predict(ROWS)) <= {"yes", "no"}
