"""fit -> inspect -> evaluate -> predict -> embed, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError


@pytest.fixture(scope="module")
def predictor(model):
    return MultiModalPredictor.load(model)


def test_fit_prints_one_json_document_and_everything_else_on_stderr(fitted, model):
    said = json.loads(fitted.out)
    assert said["model"] == "model"
    assert said["task"] == "core:binary"
    assert said["label"] == ["y"]
    assert 0 <= said["best_score"] <= 1
    assert said["seconds"] > 0
    assert "training.epochs" in fitted.err
    assert "epoch 2" in fitted.err
    assert "saved in model" in fitted.err
    assert {path.name for path in model.iterdir()} >= {"mm_model.json", "recipe.json"}


def test_notes_are_single_lines_said_once(fitted):
    notes = [line for line in fitted.err.splitlines() if "'same'" in line]
    assert notes == ["note: columns not used: 'same' (constant: every cell is 1)"]


def test_inspect_shows_versions_columns_scores_and_sizes(model, mm):
    said = json.loads(mm("inspect", model, "--json").out)
    assert said["format"] == 2
    assert {"name": "tabular", "distribution": "mm-tabular"}.items() <= said["plugins"][1].items()
    assert said["plugins"][1]["installed"] == said["plugins"][1]["version"]
    reasons = {column["name"]: column["reason"] for column in said["columns"]}
    assert "constant" in reasons["same"]
    assert said["recipe"]["training.epochs"] == {"value": 2, "origin": "user"}
    size = (model / "engine/weights.safetensors").stat().st_size
    assert said["files"]["engine/weights.safetensors"] == size
    text = mm("inspect", model).out
    assert f"best validation roc_auc {said['best_score']:.4f}" in text
    assert said["learned"].keys() == {"temperature", "threshold", "classes"}
    temperature = f"temperature {said['learned']['temperature']:.4g}"
    assert f"learned  {temperature}, threshold 0.5, classes no | yes" in text
    assert "engine/weights.safetensors" in text


def test_inspect_tells_of_a_missing_file(model, mm, tmp_path):
    (tmp_path / "mm_model.json").write_bytes((model / "mm_model.json").read_bytes())
    assert (
        json.loads(mm("inspect", tmp_path, "--json").out)["files"]["engine/weights.safetensors"]
        is None
    )
    assert "missing" in mm("inspect", tmp_path).out


def test_evaluate_gives_the_scores_of_the_predictor(folder, model, predictor, script):
    test = folder / "test.csv"
    done = script("evaluate", model, test, "--metric", "accuracy", "--metric", "log_loss", "--json")
    assert done.code == 0, done.err
    expected = predictor.evaluate(test, ["accuracy", "log_loss"])
    assert json.loads(done.out) == {"scores": pytest.approx(expected)}


def test_evaluate_prints_a_line_per_score(folder, model, mm):
    lines = mm("evaluate", model, folder / "test.csv").out.split()
    assert lines[0] == "roc_auc"
    assert 0 <= float(lines[1]) <= 1


def test_predict_prints_csv_in_the_order_of_the_rows(folder, model, predictor, script):
    (folder / "deep").mkdir(exist_ok=True)
    done = script("predict", Path("..") / "model", Path("..") / "test.csv", cwd=folder / "deep")
    expected = predictor.predict(folder / "test.csv")
    assert done.out.split() == ["y", *expected]


@pytest.mark.parametrize(
    ("ending", "read"),
    [
        (".csv", pd.read_csv),
        (".parquet", pd.read_parquet),
        (".jsonl", lambda path: pd.read_json(path, lines=True)),
    ],
)
def test_predict_writes_each_format(ending, read, folder, model, predictor, mm, tmp_path):
    out = tmp_path / "new" / f"pred{ending}"
    done = mm("predict", model, folder / "test.csv", "--proba", "--out", out, "--json")
    assert json.loads(done.out) == {"out": str(out), "rows": 40, "columns": ["no", "yes"]}
    expected = predictor.predict_proba(folder / "test.csv")
    np.testing.assert_array_equal(read(out).to_numpy(np.float32), expected.to_numpy(np.float32))


def test_an_index_that_means_something_comes_back(folder, model, predictor, mm, tmp_path):
    frame = pd.read_csv(folder / "test.csv").iloc[::-1]
    frame.index = pd.Index([f"row {i % 7}" for i in range(len(frame))], name="customer")
    data = tmp_path / "test.parquet"
    frame.to_parquet(data)
    expected = predictor.predict(frame)
    mm("predict", model, data, "--out", tmp_path / "pred.parquet")
    pd.testing.assert_index_equal(pd.read_parquet(tmp_path / "pred.parquet").index, frame.index)
    mm("predict", model, data, "--out", tmp_path / "pred.csv")
    written = pd.read_csv(tmp_path / "pred.csv")
    assert list(written.columns) == ["customer", "y"]
    assert list(written["customer"]) == list(frame.index)
    assert list(written["y"]) == list(expected)
    said = json.loads(mm("predict", model, data, "--json").out)["predictions"]
    assert said[0] == {"customer": "row 0", "y": expected.iloc[0]}


def test_embed_writes_the_vectors_of_the_predictor(folder, model, predictor, mm, tmp_path):
    expected = predictor.extract_embedding(folder / "test.csv")
    done = mm("embed", model, folder / "test.csv", "--out", tmp_path / "e.npy", "--json")
    assert json.loads(done.out)["shape"] == list(expected.shape)
    np.testing.assert_array_equal(np.load(tmp_path / "e.npy"), expected)
    mm("embed", model, folder / "test.csv", "--out", tmp_path / "e.parquet")
    np.testing.assert_array_equal(pd.read_parquet(tmp_path / "e.parquet").to_numpy(), expected)
    names = predictor._model.engine.embeddings
    for name in names:
        mm("embed", model, folder / "test.csv", "--out", tmp_path / "e.npy", "--of", name)
        vectors = predictor.extract_embedding(folder / "test.csv", of=name)
        np.testing.assert_array_equal(np.load(tmp_path / "e.npy"), vectors)
    failed = mm("embed", model, folder / "test.csv", "--out", tmp_path / "e.npy", "--of", "fusde")
    assert failed.code != 0
    assert "fused" in failed.err


@pytest.mark.parametrize(
    ("argument", "remedy"), [("batchsize", "'batch_size'"), ("zzz", "arguments: as_pandas")]
)
def test_embedding_refuses_arguments_that_it_does_not_have(folder, predictor, argument, remedy):
    with pytest.raises(ConfigError, match=argument) as caught:
        predictor.extract_embedding(folder / "test.csv", **{argument: 7})
    assert remedy in caught.value.remedy


def test_a_recipe_gives_the_same_model_to_the_bit(folder, model, mm, tmp_path):
    recipe = tmp_path / "recipe.json"
    quick = ["--set", "training.epochs=2", "--set", "backbones.tabular.width=16"]
    planned = mm("plan", folder / "train.csv", "--label", "y", *quick, "--out", recipe, "--json")
    assert json.loads(planned.out) == json.loads(recipe.read_text()) | {"notes": []}
    done = mm("fit", folder / "train.csv", "--recipe", recipe, "--out", tmp_path / "again", "-q")
    assert (done.code, done.out) == (0, "")
    ask = ("predict", folder / "test.csv", "--proba")
    asked = [mm(ask[0], path, *ask[1:]).out for path in (model, tmp_path / "again")]
    assert asked[0] == asked[1]
    assert (tmp_path / "again" / "engine/weights.safetensors").read_bytes() == (
        model / "engine/weights.safetensors"
    ).read_bytes()


def test_without_out_no_model_is_replaced(folder, mm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("model", "model-2"):
        done = mm(
            "fit", folder / "train.csv", "--label", "y", "--set", "training.max_steps=1", "--json"
        )
        assert json.loads(done.out)["model"] == name
        assert (tmp_path / name / "mm_model.json").is_file()
