"""Text, image and table through fit, evaluate, save, and load in another process."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor

LOAD_ELSEWHERE = """
import sys, socket
import pandas as pd
from mm_core import MultiModalPredictor
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
    raise SystemExit("the network is not blocked")
except OSError as error:
    assert type(error).__name__ == "NetworkBlockedError", error
model, *tables = sys.argv[1:]
for rows, answers in zip(tables[::2], tables[1::2], strict=True):
    predictor = MultiModalPredictor.load(model)
    predictor.predict_proba(pd.read_parquet(rows)).to_parquet(answers)
"""


def test_fused_model_learns_all_three_modalities(fused):
    assert set(fused.predictor.recipe.backbones) == {"image", "tabular", "text"}
    assert fused.predictor.column_types == {
        "picture": "image:path",
        "review": "text:text",
        "price": "tabular:numerical",
        "size": "tabular:categorical",
        "sold": "tabular:boolean",
        "listed": "tabular:datetime",
    }
    assert all(plan.reason for plan in fused.predictor.recipe.columns.columns)
    scores = fused.predictor.evaluate(fused.test, metrics=["accuracy", "roc_auc"])
    assert scores["roc_auc"] > 0.75
    assert scores["accuracy"] == (fused.predictor.predict(fused.test) == fused.test["liked"]).mean()


def test_new_process_without_network_or_cache_gives_the_same_bits(fused, tmp_path):
    shuffled = fused.test.sample(frac=1, random_state=3)
    expected = fused.predictor.predict_proba(shuffled)
    model = fused.predictor.save(tmp_path / "model")
    shuffled.to_parquet(tmp_path / "rows.parquet")
    reordered = tmp_path / "reordered.parquet"
    shuffled[shuffled.columns[::-1]].to_parquet(reordered)
    environment = os.environ | {"HOME": str(tmp_path), "HF_HOME": str(tmp_path / "empty")}
    tables = {
        rows: tmp_path / f"answers_{rows.name}" for rows in (tmp_path / "rows.parquet", reordered)
    }
    files = [file for pair in tables.items() for file in pair]
    command = [sys.executable, "-c", LOAD_ELSEWHERE, model, *files]
    subprocess.run(command, check=True, env=environment)
    for answers in tables.values():
        pd.testing.assert_frame_equal(pd.read_parquet(answers), expected, rtol=0, atol=0)


def test_answers_keep_a_duplicate_and_unsorted_index(fused):
    rows = fused.test.head(6).set_axis(["b", "a", "a", "z", "b", "c"])
    answers = fused.predictor.predict(rows)
    assert list(answers.index) == ["b", "a", "a", "z", "b", "c"]
    plain = fused.predictor.predict(fused.test.head(6))
    assert answers.tolist() == plain.tolist()
    assert answers.name == "liked"


def test_as_pandas_and_as_multiclass(fused):
    rows = fused.test.head(5)
    proba = fused.predictor.predict_proba(rows)
    assert list(proba.columns) == ["no", "yes"]
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    positive = fused.predictor.predict_proba(rows, as_multiclass=False, as_pandas=False)
    np.testing.assert_array_equal(positive, proba["yes"].to_numpy())
    assert fused.predictor.predict(rows, as_pandas=False).shape == (5,)


def test_embedding_has_one_vector_per_row_in_order(fused):
    vectors = fused.predictor.extract_embedding(fused.test)
    assert vectors.shape[0] == len(fused.test)
    assert vectors.dtype == np.float32
    one = fused.predictor.extract_embedding(fused.test.iloc[[7]])
    np.testing.assert_allclose(vectors[7], one[0], atol=1e-5)
    framed = fused.predictor.extract_embedding(fused.test.set_index("price"), as_pandas=True)
    assert framed.index.name == "price"


def test_the_callers_frame_is_never_changed(fused, tmp_path):
    before = fused.test.copy(deep=True)
    fused.predictor.predict(fused.test)
    fused.predictor.evaluate(fused.test)
    pd.testing.assert_frame_equal(fused.test, before)


def test_recipe_and_seed_give_the_same_model_to_the_bit(fused, tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text(fused.predictor.recipe.to_json())
    again = MultiModalPredictor(verbosity=0).fit(fused.train, recipe=path)
    pd.testing.assert_frame_equal(
        again.predict_proba(fused.test), fused.predictor.predict_proba(fused.test), rtol=0, atol=0
    )


def test_fit_leaves_the_global_generators_alone(small_table, fit_table):
    import random

    import torch

    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    expected = torch.rand(3), np.random.rand(3), random.random()
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    threads = torch.get_num_threads()
    fit_table(small_table)
    assert torch.equal(torch.rand(3), expected[0])
    np.testing.assert_array_equal(np.random.rand(3), expected[1])
    assert random.random() == expected[2]
    assert torch.get_num_threads() == threads


def test_bytes_and_base64_cells_answer_as_paths_do(fused):
    import base64
    from pathlib import Path

    rows = fused.test.head(8)
    content = [Path(path).read_bytes() for path in rows["picture"]]
    expected = fused.predictor.predict_proba(rows)
    as_bytes = rows.assign(picture=pd.Series(content, index=rows.index, dtype=object))
    as_text = rows.assign(picture=[base64.b64encode(cell).decode() for cell in content])
    for other in (as_bytes, as_text):
        pd.testing.assert_frame_equal(
            fused.predictor.predict_proba(other), expected, rtol=0, atol=0
        )


def test_plan_shows_the_recipe_without_training(fused):
    predictor = MultiModalPredictor(label="liked", verbosity=0)
    recipe = predictor.plan(fused.train, hyperparameters=fused.predictor.hyperparameters)
    assert recipe == fused.predictor.recipe
    for key in recipe.flat():
        assert recipe.origin(key), key
    assert recipe.origin("training.epochs") == "user"
    with pytest.raises(Exception, match="no model yet"):
        predictor.predict(fused.test)
