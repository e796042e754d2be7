"""A disk that is full while a model is saved: what stood there stays whole."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import pandas as pd
import pytest
import safetensors.numpy
import safetensors.torch

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError
from mm_core.artifact import exchange


@pytest.fixture
def saved(small_table, fit_table, tmp_path):
    """(folder of a saved model, another predictor of the same rows)."""
    folder = tmp_path / "models" / "one"
    fit_table(small_table).save(folder)
    return folder, fit_table(small_table, seed=5)


def _no_space(*arguments: object, **named: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _torn(self: Path, text: str, **named: object) -> None:
    """Some of it is written before the disk is full."""
    self.write_bytes(text[: len(text) // 2].encode())
    _no_space()


@pytest.mark.parametrize(
    ("where", "what", "how"),
    [
        (safetensors.torch, "save_model", _no_space),  # the weights
        (safetensors.numpy, "save_file", _no_space),  # arrays of a processor
        (Path, "write_text", _torn),  # recipe or manifest
    ],
)
def test_the_old_model_stays_whole(saved, small_table, monkeypatch, where, what, how):
    folder, other = saved
    before = MultiModalPredictor.load(folder).predict_proba(small_table)
    files = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    with monkeypatch.context() as full:
        full.setattr(where, what, how)
        with pytest.raises(ArtifactError, match="No space left"):
            other.save(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["one"]
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == files
    after = MultiModalPredictor.load(folder).predict_proba(small_table)
    pd.testing.assert_frame_equal(after, before)
    other.save(folder)  # there is room again
    found = MultiModalPredictor.load(folder).predict_proba(small_table)
    pd.testing.assert_frame_equal(found, other.predict_proba(small_table))


@pytest.mark.parametrize("renames", [1, 2])
def test_no_moment_of_the_exchange_loses_a_model(saved, small_table, monkeypatch, renames):
    folder, other = saved
    before = MultiModalPredictor.load(folder).predict_proba(small_table)
    rename, left = Path.rename, [renames]

    def breaks(self, target):
        left[0] -= 1
        return rename(self, target) if left[0] else _no_space()

    with monkeypatch.context() as full:
        full.setattr(exchange, "_swapped", lambda one, other: False)
        full.setattr(Path, "rename", breaks)
        with pytest.raises(ArtifactError, match="No space left"):
            other.save(folder)
    after = MultiModalPredictor.load(folder).predict_proba(small_table)
    pd.testing.assert_frame_equal(after, before)


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="two names cannot be swapped")
def test_a_model_is_there_at_every_moment(saved, small_table, monkeypatch):
    folder, other = saved
    missing = []
    rename = Path.rename

    def watched(self, target):
        rename(self, target)
        missing.append(not folder.exists())

    monkeypatch.setattr(Path, "rename", watched)
    other.save(folder)
    assert not any(missing)
    assert [path.name for path in folder.parent.iterdir()] == ["one"]
    after = MultiModalPredictor.load(folder).predict_proba(small_table)
    pd.testing.assert_frame_equal(after, other.predict_proba(small_table))


def test_what_cannot_be_swapped_stays(tmp_path):
    (tmp_path / "fresh").mkdir()
    (tmp_path / "fresh" / "file").touch()
    with pytest.raises(OSError, match="nowhere"):
        exchange._swapped(tmp_path / "fresh", tmp_path / "nowhere")
    assert (tmp_path / "fresh" / "file").exists()


def test_a_file_is_not_replaced_by_a_model(tmp_path):
    (tmp_path / "fresh").mkdir()
    (tmp_path / "letter").write_text("mine")
    with pytest.raises(NotADirectoryError, match="letter"):
        exchange.put_in_place(tmp_path / "fresh", tmp_path / "letter", tmp_path / "aside")
    assert (tmp_path / "letter").read_text() == "mine"


def test_a_fitted_model_is_not_lost(small_table, tmp_path, monkeypatch):
    settings = {"training.epochs": 2}
    predictor = MultiModalPredictor(
        "kind", hyperparameters=settings, path=tmp_path / "one", verbosity=0
    )
    with monkeypatch.context() as full:
        full.setattr(safetensors.torch, "save_model", _no_space)
        with pytest.raises(ArtifactError, match="No space left"):
            predictor.fit(small_table)
    found = predictor.predict_proba(small_table)
    predictor.save(tmp_path / "elsewhere")
    loaded = MultiModalPredictor.load(tmp_path / "elsewhere").predict_proba(small_table)
    pd.testing.assert_frame_equal(loaded, found)
