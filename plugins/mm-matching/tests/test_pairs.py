"""Pairs of texts through one tower: learned without labels, or not learned at all."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_matching.samples import ASKED, PICTURES, WORDS

from mm_core import MultiModalPredictor
from mm_core.api import ColumnError, ConfigError, MMWarning, RecipeError


def test_both_sides_go_through_one_tower(texts: Any, pairs: pd.DataFrame) -> None:
    """The plan says so, and a side with settings of its own has its own."""
    recipe = texts().plan(pairs)
    assert recipe.backbones["response_text"].share_with == "query_text"
    apart = texts(**{"backbones.response_text.checkpoint": "random"}).plan(pairs)
    assert apart.backbones["response_text"].share_with is None


def test_pairs_are_learned_without_a_label(
    texts: Any, pairs: pd.DataFrame, trained: MultiModalPredictor
) -> None:
    """Each question finds its own answer; with the answers mixed up it does not."""
    untrained = texts()
    untrained.predict(pairs)
    names = ["recall@1", "mrr", "map"]
    before, after = (one.evaluate(pairs, names) for one in (untrained, trained))
    assert after["recall@1"] > 0.9
    assert after["mrr"] > before["mrr"] + 0.2
    assert after["map"] == pytest.approx(after["mrr"])  # one right answer each
    mixed = trained.evaluate(pairs.assign(said=np.roll(pairs.said, 5)), names)
    assert mixed["recall@1"] < 0.2
    assert trained.evaluate(pairs)["pairs"] == after["mrr"]


def test_it_answers_without_a_fit(texts: Any, pairs: pd.DataFrame) -> None:
    """A cosine a row, the index as it came; equal texts have 1, and no text has none."""
    rows = pairs.assign(said=[*pairs.asked[:2], None, *pairs.said[3:]])
    answer = texts().predict(rows)
    assert answer.name == "similarity"
    assert answer.index.equals(rows.index)
    assert np.allclose(answer[:2], 1, atol=1e-5)
    assert np.isnan(answer.iloc[2])
    assert (answer[3:] < 0.9999).all()


def test_one_query_is_enough(trained: MultiModalPredictor, pairs: pd.DataFrame) -> None:
    """To be answered, scored and searched for (AutoMM: an IndexError)."""
    one = pairs.head(1)
    assert len(trained.predict(one)) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert trained.evaluate(one, ["recall@1", "mrr"]) == {"recall@1": 1.0, "mrr": 1.0}
    with pytest.warns(MMWarning, match="recall@10: there are 1 responses in all"):
        trained.evaluate(one, "recall@10")
    assert len(trained.search(one, pairs, top_k=3)) == 3


def test_a_pair_that_stands_there_often_is_no_wrong_answer_to_itself(texts: Any) -> None:
    """Eight times two pairs: were they asked apart from their doubles, the loss were log(4)."""
    two = pd.DataFrame({"asked": ASKED[::15] * 4, "said": WORDS[::15] * 4})
    fitted = texts(**{"training.epochs": 30}).fit(two, tuning_data=two)
    assert fitted.history.loss.iloc[-1] < 0.5


def test_rows_without_a_side_can_be_trained_on(texts: Any, pairs: pd.DataFrame) -> None:
    """There is nothing to tell them from; the loss is none, and not NaN."""
    rows = pairs.head(4).assign(said=[None, None, None, WORDS[3]])
    fitted = texts(**{"training.epochs": 1}).fit(rows, tuning_data=pairs)
    assert fitted.history.loss.tolist() == [0.0]


def test_vectors_do_not_depend_on_columns_or_batches(
    trained: MultiModalPredictor, pairs: pd.DataFrame
) -> None:
    """Their cosine is the answer; the side that is asked for is all that has to be there."""
    sides = {of: trained.extract_embedding(pairs, of=of) for of in ("query", "response")}
    cosine = (sides["query"] * sides["response"]).sum(axis=1)
    assert np.allclose(cosine, trained.predict(pairs), atol=1e-5)
    turned = pairs[["said", "asked"]].iloc[::-1]
    for of, wanted in sides.items():
        found = trained.extract_embedding(turned, of=of, batch_size=3)[::-1]
        assert np.allclose(found, wanted, atol=1e-5)
    with pytest.warns(MMWarning, match="'said'"):
        alone = trained.extract_embedding(pairs[["asked"]], of="query")
    assert np.allclose(alone, sides["query"], atol=1e-5)
    with pytest.raises(ConfigError, match="answer"):
        trained.extract_embedding(pairs, of="answer")


def test_large_batches_in_small_memory_learn_the_same(texts: Any, pairs: pd.DataFrame) -> None:
    """Four rows at a time: the same loss and steps as sixteen."""
    settings = {"training.epochs": 3, "backbones.query_text.num_hidden_layers": 1}
    whole, parts = (
        texts(**settings, **more).fit(pairs, tuning_data=pairs)
        for more in ({}, {"topology.mini_batch": 4})
    )
    # Dropout is drawn anew for each part: the first loss, before any step, differs by that alone.
    assert parts.history.loss.iloc[0] == pytest.approx(whole.history.loss.iloc[0], rel=0.2)
    assert parts.history.loss.iloc[-1] < parts.history.loss.iloc[0]


def test_short_vectors_serve_by_themselves(texts: Any, pairs: pd.DataFrame) -> None:
    """Matryoshka: the first 8 numbers of each vector, of length 1."""
    fitted = texts(**{"training.epochs": 30, "topology.dims": [8]}).fit(pairs, tuning_data=pairs)
    short, whole = (fitted.extract_embedding(pairs, of=of) for of in ("query@8", "query"))
    assert short.shape == (16, 8)
    cut = whole[:, :8] / np.linalg.norm(whole[:, :8], axis=1, keepdims=True)
    assert np.allclose(short, cut, atol=1e-5)
    with pytest.raises(RecipeError, match=r"topology\.dims"):
        texts(**{"topology.dims": [32]}).predict(pairs)


def test_wrong_responses_are_learned_from(texts: Any, pairs: pd.DataFrame) -> None:
    """A third column: among the wrong answers of info_nce, or alone in triplets."""
    rows = pairs.assign(wrong=np.roll(pairs.said, 3))
    for loss in ("info_nce", "triplet"):
        fitted = texts(
            roles={"negative": "wrong"}, **{"training.epochs": 40, "topology.loss": loss}
        ).fit(rows, tuning_data=rows)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the column that predictions do not need
            near = fitted.predict(pairs)
            far = fitted.predict(pairs.assign(said=rows.wrong))
        assert near.mean() > far.mean() + 0.2, loss
    with pytest.raises(ConfigError, match="wrong responses"):
        texts(**{"topology.loss": "triplet"}).fit(pairs, tuning_data=pairs)


def test_prompts_stand_before_the_texts_of_their_side(minilm: Any) -> None:
    """As if the user had written them there; through one shared tower."""
    prompts = {
        "inputs.query_text.processor.query_prompt": "question: ",
        "inputs.query_text.processor.response_prompt": "answer: ",
    }
    rows = pd.DataFrame({"asked": ASKED[:4], "said": WORDS[:4]})
    written = rows.assign(asked="question: " + rows.asked, said="answer: " + rows.said)
    plain, prompted = minilm(), minilm(**prompts)
    assert np.allclose(prompted.predict(rows), plain.predict(written), atol=1e-5)
    assert not np.allclose(prompted.predict(rows), plain.predict(rows), atol=1e-3)
    assert prompted.recipe.backbones["response_text"].share_with == "query_text"


def test_pictures_and_texts_in_one_space(pairs: pd.DataFrame) -> None:
    """Towers of different widths are projected; without a fit that is no answer."""
    rows = pairs.assign(shown=PICTURES.cells)
    predictor = MultiModalPredictor(
        problem_type="matching",
        query=["asked", "said"],
        response="shown",
        hyperparameters={
            "backbones.query_text.checkpoint": "random",
            "backbones.response_image.checkpoint": "random",
            "inputs.response_image.processor.image_size": 32,
            "training.epochs": 1,
        },
        verbosity=0,
    )
    with pytest.raises(Exception, match="no model yet"):
        predictor.predict(rows)
    predictor.fit(rows, tuning_data=rows)
    sides = [predictor.extract_embedding(rows, of=of) for of in ("query", "response")]
    assert sides[0].shape == sides[1].shape == (16, 64)


def test_frozen_towers_are_run_once_and_brought_together(pairs: pd.DataFrame) -> None:
    """fusion:cached: what stands above them learns the pairs; they stay as they were."""
    rows = pairs[["said"]].assign(shown=PICTURES.cells)
    settings = {
        "fit": "fusion:cached",
        "topology.dim": 32,
        "backbones.query_text.checkpoint": "random",
        "backbones.response_image.checkpoint": "random",
        "inputs.response_image.processor.image_size": 32,
        "training.epochs": 20,
        "training.batch_size": 16,
        "training.head_learning_rate": 1e-2,
    }
    fitted = MultiModalPredictor(
        problem_type="matching",
        query="said",
        response="shown",
        hyperparameters=settings,
        verbosity=0,
    )
    with pytest.warns(MMWarning, match="stay as they were drawn"):  # they are random here
        fitted.fit(rows, tuning_data=rows)
    assert fitted.evaluate(rows, "recall@1")["recall@1"] > 0.9


def test_unicode_and_a_missing_side(trained: MultiModalPredictor) -> None:
    """Any script, emoji, nothing at all."""
    odd = ["日本語のテキスト", "\N{PILE OF POO}" * 50, "", " ", "\x00\u202e", None]
    answer = trained.predict({"asked": odd, "said": odd})
    assert np.allclose(answer[:2], 1, atol=1e-4)
    assert np.isnan(answer.iloc[-1])
    with pytest.raises(ColumnError):
        trained.predict({"other": odd})


def test_a_saved_model_answers_the_same(
    trained: MultiModalPredictor, pairs: pd.DataFrame, tmp_path: Path
) -> None:
    """The tower is saved once."""
    trained.save(tmp_path / "model")
    again = MultiModalPredictor.load(tmp_path / "model", verbosity=0)
    assert again.predict(pairs).equals(trained.predict(pairs))
    names = [path.name for path in (tmp_path / "model").rglob("*.safetensors")]
    assert not [name for name in names if "response_text" in name]
