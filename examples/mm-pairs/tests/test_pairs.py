"""Pairs of texts through one tower: learned without labels, or not learned at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_core import MultiModalPredictor
from mm_core.api import ColumnError, ConfigError, LabelError, RecipeError

from mm_pairs.samples import ASKED, PICTURES, WORDS

TINY = {
    "backbones.query_text.checkpoint": "random",
    "backbones.query_text.hidden_size": 32,
    "backbones.query_text.pooling": "mean",
    "training.batch_size": 16,
    "training.head_learning_rate": 3e-3,
    "training.patience": 100,
}


@pytest.fixture(scope="module")
def pairs() -> pd.DataFrame:
    """Sixteen questions with their answers."""
    return pd.DataFrame({"asked": ASKED, "said": WORDS}, index=[f"row {i}" for i in range(16)])


def predictor(**settings: Any) -> MultiModalPredictor:
    """Of texts, with new weights."""
    return MultiModalPredictor(
        problem_type="pairs:similarity",
        query="asked",
        response="said",
        hyperparameters={**TINY, **settings},
        verbosity=0,
    )


@pytest.fixture(scope="module")
def trained(pairs: pd.DataFrame) -> MultiModalPredictor:
    """A model of all pairs, validated on them."""
    return predictor(**{"training.epochs": 60}).fit(pairs, tuning_data=pairs)


def test_both_sides_go_through_one_tower(pairs: pd.DataFrame) -> None:
    """The plan says so, and a side with settings of its own has its own."""
    recipe = predictor().plan(pairs)
    assert recipe.backbones["response_text"].share_with == "query_text"
    assert {name: part.role for name, part in recipe.inputs.items()} == {
        "query_text": "query",
        "response_text": "response",
    }
    apart = predictor(**{"backbones.response_text.checkpoint": "random"}).plan(pairs)
    assert apart.backbones["response_text"].share_with is None


def test_pairs_are_learned_without_a_label(
    pairs: pd.DataFrame, trained: MultiModalPredictor
) -> None:
    """Each question finds its own answer; with the answers mixed up it does not."""
    untrained = predictor()
    untrained.predict(pairs)
    before, after = (one.evaluate(pairs, ["recall@1", "mrr"]) for one in (untrained, trained))
    assert after["recall@1"] > 0.9
    assert after["mrr"] > before["mrr"] + 0.2
    mixed = trained.evaluate(pairs.assign(said=np.roll(pairs.said, 5)), ["recall@1", "mrr"])
    assert mixed["recall@1"] < 0.2
    assert mixed["mrr"] < after["mrr"] - 0.5
    assert not (set(untrained.history) & {"mrr"})


def test_it_answers_without_a_fit(pairs: pd.DataFrame) -> None:
    """A cosine a row, the index as it came; equal texts have 1, and no text has none."""
    rows = pairs.assign(said=[*pairs.asked[:2], None, *pairs.said[3:]])
    answer = predictor().predict(rows)
    assert answer.name == "similarity"
    assert answer.index.equals(rows.index)
    assert np.allclose(answer[:2], 1, atol=1e-5)
    assert np.isnan(answer.iloc[2])
    assert (answer[3:] < 0.9999).all()


def test_a_pair_that_stands_there_often_is_no_wrong_answer_to_itself() -> None:
    """Eight times two pairs: were they asked apart from their doubles, the loss were log(4)."""
    two = pd.DataFrame({"asked": ASKED[::15] * 4, "said": WORDS[::15] * 4})
    fitted = predictor(**{"training.epochs": 40}).fit(two, tuning_data=two)
    assert fitted.history.loss.iloc[-1] < 0.5


def test_one_row_and_a_row_without_a_side_can_be_trained_on(pairs: pd.DataFrame) -> None:
    """There is nothing to tell them from; the loss is none, and not NaN."""
    rows = pairs.head(4).assign(said=[None, None, None, WORDS[3]])
    fitted = predictor(**{"training.epochs": 1}).fit(rows, tuning_data=pairs)
    assert fitted.history.loss.tolist() == [0.0]


def test_each_side_has_vectors_by_its_name(
    pairs: pd.DataFrame, trained: MultiModalPredictor
) -> None:
    """Their cosine is the answer; the side that is asked for is all that has to be there."""
    sides = {of: trained.extract_embedding(pairs, of=of) for of in ("query", "response")}
    cosine = (sides["query"] * sides["response"]).sum(axis=1)
    assert np.allclose(cosine, trained.predict(pairs), atol=1e-5)
    with pytest.warns(Warning, match="'said'"):
        alone = trained.extract_embedding(pairs[["asked"]], of="query")
    assert np.allclose(alone, sides["query"], atol=1e-5)
    with pytest.raises(ConfigError, match="answer"):
        trained.extract_embedding(pairs, of="answer")


def test_search_finds_the_nearest_items(pairs: pd.DataFrame, trained: MultiModalPredictor) -> None:
    """Labels of the rows that were given, the nearest first, empty cells left out."""
    found = trained.search(pairs, top_k=2)
    assert found.columns.tolist() == ["query", "rank", "item", "similarity"]
    assert found["rank"].tolist() == [1, 2] * 16
    first = found[found["rank"] == 1]
    assert (first["query"] == first["item"]).mean() > 0.9
    assert (found["similarity"].diff()[1::2] <= 0).all()
    items = pd.DataFrame({"said": [*WORDS[:3], None]})
    queries = {"asked": [ASKED[1], None]}
    few = trained.search(queries, items, top_k=100)
    assert few["query"].tolist() == [0, 0, 0]
    assert sorted(few["item"]) == [0, 1, 2]
    assert few["item"][0] == 1


def test_search_needs_no_fit(pairs: pd.DataFrame) -> None:
    """Queries and items in tables of their own: the same text is found."""
    items = pd.DataFrame({"said": [*WORDS, ASKED[3]]})
    found = predictor().search({"asked": ASKED[2:5]}, items, top_k=1)
    assert found["item"][1] == 16
    assert found["similarity"][1] == pytest.approx(1, abs=1e-5)


def test_what_search_cannot_do_is_said(pairs: pd.DataFrame, trained: MultiModalPredictor) -> None:
    """Before anything is read, or with the column that is not there."""
    with pytest.raises(ConfigError, match="top_k=0"):
        trained.search(pairs, top_k=0)
    with pytest.raises(ColumnError, match="role response") as caught:
        trained.search(pairs, pairs[["asked"]])
    assert "said" in str(caught.value.remedy)


def test_towers_of_different_widths_need_a_common_one(pairs: pd.DataFrame) -> None:
    """Text against pictures: the error says what to set, and with it a fit runs."""
    rows = pairs.assign(said=PICTURES.cells)
    with pytest.raises(RecipeError, match="different widths") as caught:
        predictor(**IMAGES).fit(rows)
    assert "topology.dim" in str(caught.value.remedy)
    fitted = predictor(**IMAGES, **{"topology.dim": 8}).fit(rows, tuning_data=rows)
    assert fitted.extract_embedding(rows, of="response").shape == (16, 8)


IMAGES = {
    "backbones.response_image.checkpoint": "random",
    "inputs.response_image.processor.image_size": 32,
    "training.epochs": 1,
}


def test_a_label_is_no_part_of_it(pairs: pd.DataFrame) -> None:
    """The task takes none."""
    with pytest.raises((ConfigError, LabelError)):
        MultiModalPredictor(
            "match", problem_type="pairs:similarity", query="asked", response="said", verbosity=0
        ).fit(pairs.assign(match=1))


def test_a_saved_model_answers_and_searches_the_same(
    pairs: pd.DataFrame, trained: MultiModalPredictor, tmp_path: Path
) -> None:
    """The tower is saved once."""
    trained.save(tmp_path / "model")
    again = MultiModalPredictor.load(tmp_path / "model", verbosity=0)
    assert again.predict(pairs).equals(trained.predict(pairs))
    assert again.search(pairs).equals(trained.search(pairs))
    names = [path.name for path in (tmp_path / "model").rglob("*.safetensors")]
    assert not [name for name in names if "response_text" in name]
