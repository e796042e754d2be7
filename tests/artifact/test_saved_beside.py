"""What else lies in a model's folder: a logger's files, the user's own."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import lightning.pytorch as pl
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

import mm_core.artifact.save as saving
from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError, MMWarning
from tests.killed import kill_now, killed

ONE_EPOCH = {"training.epochs": 1}


def _predictor(path=None, **settings):
    return MultiModalPredictor("kind", path=path, hyperparameters=ONE_EPOCH | settings, verbosity=0)


def _check_loads(folder, predictor, frame):
    found = MultiModalPredictor.load(folder, verbosity=0).predict_proba(frame)
    pd.testing.assert_frame_equal(found, predictor.predict_proba(frame))


@pytest.fixture
def model(small_table, tmp_path):
    """(folder of a saved model with files of the user beside it, another predictor)."""
    folder = tmp_path / "models" / "one"
    _predictor(folder).fit(small_table)
    (folder / "notes.txt").write_text("mine")
    (folder / "plots" / "first").mkdir(parents=True)
    (folder / "plots" / "first" / "curve.svg").write_text("a curve")
    (folder / "plots" / "empty").mkdir()
    (folder / "latest").symlink_to("notes.txt")
    below = folder / "inputs" / "tabular"  # where the model has files too
    assert below.is_dir()
    (below / "why.txt").write_text("also mine")
    return folder, _predictor(**{"training.seed": 5}).fit(small_table)


def _check_all_there(folder):
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "plots" / "first" / "curve.svg").read_text() == "a curve"
    assert (folder / "plots" / "empty").is_dir()
    assert (folder / "latest").readlink() == Path("notes.txt")
    assert (folder / "inputs" / "tabular" / "why.txt").read_text() == "also mine"


def test_loggers_and_checkpoints_may_write_into_the_models_folder(small_table, tmp_path):
    folder = tmp_path / "model"
    for version in range(2):
        predictor = _predictor(folder)
        predictor.fit(
            small_table, loggers=CSVLogger(folder), callbacks=ModelCheckpoint(folder / "ckpt")
        )
        _check_loads(folder, predictor, small_table)
        assert (folder / "lightning_logs" / f"version_{version}" / "metrics.csv").is_file()
        assert list((folder / "ckpt").glob("*.ckpt"))
    assert (folder / "lightning_logs" / "version_0" / "metrics.csv").is_file()
    assert not (folder / "unfinished").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_name_that_the_model_needs_is_the_models_and_the_other_is_kept(small_table, tmp_path):
    folder = tmp_path / "model"
    predictor = _predictor(folder)
    with pytest.warns(MMWarning, match=r"metrics\.csv\.old'"):
        predictor.fit(small_table, loggers=CSVLogger(folder, name=None, version=""))
    _check_loads(folder, predictor, small_table)
    kept = pd.read_csv(folder / "metrics.csv.old")
    assert "learning_rate" in kept


def test_what_the_user_put_there_stays_when_a_fit_is_saved(model, small_table):
    folder, _ = model
    with warnings.catch_warnings():
        warnings.simplefilter("error", MMWarning)
        again = _predictor(folder, **{"training.seed": 3}).fit(small_table)
    _check_all_there(folder)
    _check_loads(folder, again, small_table)
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


@pytest.mark.parametrize("swaps", [True, False])
def test_what_the_user_put_there_stays_when_a_model_is_saved(
    model, small_table, monkeypatch, swaps
):
    folder, other = model
    if not swaps:
        monkeypatch.setattr("mm_core.artifact.exchange._swapped", lambda one, other: False)
    other.save(folder)
    _check_all_there(folder)
    _check_loads(folder, other, small_table)
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


def test_files_of_the_old_model_do_not_pile_up(model, table_maker, random_weights, tmp_path):
    folder, other = model
    plain = other.save(tmp_path / "plain")
    frame = table_maker(24, tmp_path / "rows")
    settings = ONE_EPOCH | random_weights
    fused = MultiModalPredictor("liked", hyperparameters=settings, verbosity=0).fit(frame)
    fused.save(folder)
    assert (folder / "inputs" / "text").is_dir()
    other.save(folder)
    users = {"notes.txt", "latest", "plots", "inputs/tabular/why.txt"}
    for name in users:
        path = folder / name
        path.rename(tmp_path / path.name)
    found, wanted = (
        sorted(str(path.relative_to(root)) for path in root.rglob("*")) for root in (folder, plain)
    )
    assert found == wanted


def test_a_model_whose_manifest_is_damaged_is_replaced_and_nothing_lost(model, small_table):
    folder, other = model
    (folder / "mm_model.json").write_text("{")
    with pytest.warns(MMWarning, match=r"engine\.old'"):
        other.save(folder)
    _check_all_there(folder)
    _check_loads(folder, other, small_table)


@pytest.mark.skipif(
    not hasattr(os, "fork") or torch.cuda.is_available(), reason="forks, which a GPU survives not"
)
def test_killed_before_the_users_files_are_moved(model, small_table, monkeypatch):
    folder, other = model
    with monkeypatch.context() as dies:
        dies.setattr(saving, "carry", kill_now)
        killed(lambda: other.save(folder))
    _check_loads(folder, other, small_table)
    (aside,) = folder.parent.glob(".mm-save-*/*/notes.txt")
    _check_all_there(aside.parent)
    other.save(folder)
    assert aside.is_file()


def test_what_cannot_be_moved_is_named_and_left(model, small_table, monkeypatch):
    folder, other = model
    rename = Path.rename

    def breaks(self, target):
        if self.name == "notes.txt":
            raise PermissionError(13, "Permission denied", str(self))
        return rename(self, target)

    with monkeypatch.context() as locked:
        locked.setattr(Path, "rename", breaks)
        with pytest.raises(ArtifactError, match="the model is saved") as caught:
            other.save(folder)
    _check_loads(folder, other, small_table)
    assert (Path(caught.value.value) / "notes.txt").read_text() == "mine"
    assert caught.value.value in caught.value.remedy


def test_a_link_to_a_folder_stays_a_link(model, small_table, tmp_path):
    folder, other = model
    link = tmp_path / "current"
    link.symlink_to(folder)
    other.save(link)
    assert link.is_symlink()
    _check_all_there(folder)
    _check_loads(folder, other, small_table)


class _Never(pl.Callback):
    def setup(self, trainer, module, stage):
        raise AssertionError("a fit began")


def test_a_folder_of_other_things_is_refused_before_the_fit(model, small_table, tmp_path):
    _, other = model
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    with pytest.raises(ArtifactError, match="holds no saved model"):
        _predictor(tmp_path / "photos").fit(small_table, callbacks=_Never())
    with pytest.raises(ArtifactError, match="holds no saved model"):
        other.save(tmp_path / "photos")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.png"]
