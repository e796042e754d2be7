"""Models of older formats are read; what lies beside an engine's files is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError

FORMAT_1 = Path(__file__).parent / "files" / "format_1"
"""A small table's model, saved by the release that wrote format 1, and what it answered."""


@pytest.fixture
def known():
    return json.loads((FORMAT_1 / "answers.json").read_text())


def test_a_model_of_format_1_answers_as_it_did(known):
    predictor = MultiModalPredictor.load(FORMAT_1 / "model")
    rows = pd.DataFrame(known["rows"])
    assert predictor.predict(rows).tolist() == known["answer"]
    found = predictor.predict_proba(rows).to_numpy()
    np.testing.assert_allclose(found, known["proba"], atol=1e-6)


def test_saved_again_it_is_of_format_2_and_answers_the_same(known, tmp_path):
    MultiModalPredictor.load(FORMAT_1 / "model").save(tmp_path / "again")
    manifest = json.loads((tmp_path / "again" / "mm_model.json").read_text())
    assert manifest["format"] == 2
    assert manifest["engine"]["id"] == "core:network"
    assert "engine/weights.safetensors" in manifest["files"]
    again = MultiModalPredictor.load(tmp_path / "again")
    assert again.predict(pd.DataFrame(known["rows"])).tolist() == known["answer"]


def test_unlisted_weights_of_format_1_are_refused(tmp_path):
    model = tmp_path / "model"
    shutil.copytree(FORMAT_1 / "model", model)
    manifest = json.loads((model / "mm_model.json").read_text())
    del manifest["files"]["weights.safetensors"]
    (model / "mm_model.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"weights\.safetensors"):
        MultiModalPredictor.load(model)


@pytest.mark.parametrize("place", ["engine/topology", "engine"])
def test_a_linked_folder_of_the_engine_is_refused(place, tmp_path):
    MultiModalPredictor.load(FORMAT_1 / "model").save(tmp_path / "model")
    linked = tmp_path / "model" / place
    elsewhere = tmp_path / "elsewhere"
    if linked.exists():
        linked.rename(elsewhere)
    else:
        elsewhere.mkdir()
    linked.symlink_to(elsewhere)
    with pytest.raises(ArtifactError):
        MultiModalPredictor.load(tmp_path / "model")


def test_only_the_network_of_format_1_may_lie_beside_the_manifest(tmp_path):
    MultiModalPredictor.load(FORMAT_1 / "model").save(tmp_path / "model")
    manifest = tmp_path / "model" / "mm_model.json"
    values = json.loads(manifest.read_text())
    values["engine"] |= {"id": "other:engine", "folder": ""}
    manifest.write_text(json.dumps(values))
    with pytest.raises(ArtifactError, match="outside its folder"):
        MultiModalPredictor.load(tmp_path / "model")


def test_topology_put_beside_a_model_of_format_1_is_refused(tmp_path):
    shutil.copytree(FORMAT_1 / "model", tmp_path / "model")
    (tmp_path / "model" / "topology").mkdir()
    (tmp_path / "model" / "topology" / "arrays.safetensors").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"topology/arrays\.safetensors"):
        MultiModalPredictor.load(tmp_path / "model")


def test_a_file_put_beside_the_engines_own_is_refused(tmp_path):
    MultiModalPredictor.load(FORMAT_1 / "model").save(tmp_path / "model")
    (tmp_path / "model" / "engine" / "model.txt").write_text("planted")
    with pytest.raises(ArtifactError, match=r"engine/model\.txt"):
        MultiModalPredictor.load(tmp_path / "model")
