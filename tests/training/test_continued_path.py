"""``path`` is the folder that fit saves to, and nothing else."""

from __future__ import annotations

import errno

import pandas as pd
import pytest
import safetensors.torch

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError

ONE_EPOCH = {"training.epochs": 1}


def _files(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*")}


def _further(frame):
    return frame.assign(height=frame["height"] * 2 + 1)


@pytest.fixture
def model(small_table, tmp_path):
    """Folder of a saved model."""
    MultiModalPredictor(
        "kind", path=tmp_path / "model", hyperparameters=ONE_EPOCH, verbosity=0
    ).fit(small_table)
    return tmp_path / "model"


def test_training_further_leaves_the_loaded_model_as_it_is(model, small_table):
    before = _files(model)
    predictor = MultiModalPredictor.load(model, verbosity=0)
    assert predictor.path is None
    predictor.fit(_further(small_table))
    assert predictor.path is None
    assert _files(model) == before
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_a_path_that_is_set_is_where_the_fit_saves(model, small_table, monkeypatch):
    before = _files(model)
    monkeypatch.chdir(model.parent)
    predictor = MultiModalPredictor.load(model, verbosity=0)
    predictor.path = "newer"
    predictor.fit(_further(small_table))
    assert _files(model) == before
    newer = MultiModalPredictor.load("newer", verbosity=0)
    found, wanted = (one.predict_proba(small_table) for one in (newer, predictor))
    pd.testing.assert_frame_equal(found, wanted)
    old = MultiModalPredictor.load(model, verbosity=0).predict_proba(small_table)
    assert not old.equals(wanted)


def test_saving_a_copy_does_not_move_where_fits_are_saved(model, small_table, tmp_path):
    predictor = MultiModalPredictor("kind", path=model, hyperparameters=ONE_EPOCH, verbosity=0)
    predictor.fit(small_table)
    assert predictor.save(tmp_path / "backup") == tmp_path / "backup"
    assert predictor.path == model
    backup, before = _files(tmp_path / "backup"), _files(model)
    predictor.fit(_further(small_table))
    assert _files(tmp_path / "backup") == backup
    assert _files(model) != before


def test_saved_without_a_folder_it_goes_to_its_path_or_to_a_new_one(model, small_table, tmp_path):
    predictor = MultiModalPredictor.load(model, verbosity=0)
    first, second = predictor.save(), predictor.save()
    assert len({first, second, model}) == 3
    assert predictor.path is None
    for folder in (first, second):
        MultiModalPredictor.load(folder).predict(small_table)
    predictor.path = tmp_path / "own"
    assert predictor.save() == tmp_path / "own"


def test_the_summary_says_that_it_is_not_saved_and_how(model, small_table, capsys):
    predictor = MultiModalPredictor.load(model, verbosity=1)
    predictor.fit(small_table)
    assert "not saved: predictor.save(folder)" in capsys.readouterr().err
    predictor.path = model
    predictor.fit(small_table)
    assert f"saved in {model}" in capsys.readouterr().err


def test_a_further_fit_without_room_for_its_start_is_refused(
    model, small_table, tmp_path, monkeypatch
):
    before = MultiModalPredictor.load(model).predict_proba(small_table)

    def no_space(*arguments, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    predictor = MultiModalPredictor.load(model, verbosity=0)
    predictor.path = tmp_path / "newer"
    with monkeypatch.context() as full:
        full.setattr(safetensors.torch, "save_model", no_space)
        with pytest.raises(ArtifactError, match=r"cannot be kept .* No space left") as caught:
            predictor.fit(small_table)
    assert "predictor.path" in caught.value.remedy
    assert not (tmp_path / "newer" / "unfinished").exists()
    pd.testing.assert_frame_equal(predictor.predict_proba(small_table), before)
    predictor.fit(small_table)


def test_a_further_fit_into_a_folder_of_other_things_is_refused(model, small_table, tmp_path):
    predictor = MultiModalPredictor.load(model, verbosity=0)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    predictor.path = tmp_path / "photos"
    with pytest.raises(ArtifactError, match="holds no saved model"):
        predictor.fit(small_table)
