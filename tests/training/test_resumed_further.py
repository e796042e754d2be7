"""A further fit that is killed is taken up again, whatever stands in the folder it saves to."""

from __future__ import annotations

import json
import os
import pickle
import shutil

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError, ConfigError
from mm_core.artifact import unfinished as records
from tests.killed import KillAfter, kill_now, killed

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or torch.cuda.is_available(), reason="forks, which a GPU survives not"
)

SETTINGS = {
    "training.epochs": 3,
    "training.batch_size": 8,
    "training.val_every": 0.5,
    "training.head_learning_rate": 0.01,
    "training.save_every": 0.0,
}


@pytest.fixture(autouse=True)
def one_thread():
    """As in the forked process: sums of several threads differ in their last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def model(small_table, tmp_path):
    """Folder of a saved model."""
    _predictor(tmp_path / "model").fit(small_table)
    return tmp_path / "model"


@pytest.fixture
def more(small_table):
    """Other rows."""
    return small_table.assign(height=small_table["height"] * 3, place="east")


def _predictor(path=None, **settings):
    return MultiModalPredictor("kind", path=path, hyperparameters=SETTINGS | settings, verbosity=0)


def _loaded(folder, path=None):
    predictor = MultiModalPredictor.load(folder, verbosity=0)
    predictor.path = path
    return predictor


def _resumed(path):
    return MultiModalPredictor.load(path, resume=True, verbosity=0)


def _kill_further(model, path, frame, batches=14):
    killed(lambda: _loaded(model, path).fit(frame, callbacks=[KillAfter(batches)]))


def _check_same(one, other, frame):
    answers = [predictor.predict_proba(frame).to_numpy() for predictor in (one, other)]
    np.testing.assert_array_equal(*answers)
    first, second = (predictor.history.drop(columns="seconds") for predictor in (one, other))
    assert first.equals(second)


@pytest.mark.parametrize("gone", [False, True])
def test_from_one_folder_into_another(model, more, tmp_path, gone):
    whole = _loaded(model).fit(more)
    path = tmp_path / "newer"
    _kill_further(model, path, more)
    assert (path / "unfinished" / "state.ckpt").is_file()
    if gone:
        shutil.rmtree(model)
    again = _resumed(path)
    assert again.path == path
    _check_same(again.fit(more), whole, more)
    _check_same(_loaded(path), whole, more)
    assert not (path / "unfinished").exists()


@pytest.mark.parametrize("batches", [1, 14])  # before any state is written, and after
def test_over_another_model_than_it_started_from(model, small_table, more, tmp_path, batches):
    whole = _loaded(model).fit(more)
    path = tmp_path / "newer"
    other = _predictor(path, **{"backbones.tabular.width": 16}).fit(small_table)
    _kill_further(model, path, more, batches)
    _check_same(_loaded(path), other, small_table)
    _check_same(_resumed(path).fit(more), whole, more)


def test_from_a_model_that_was_never_saved(small_table, more, tmp_path):
    predictor = _predictor().fit(small_table)
    path = tmp_path / "newer"

    def further():
        predictor.path = path
        predictor.fit(more, callbacks=[KillAfter(14)])

    killed(further)
    _check_same(_resumed(path).fit(more), predictor.fit(more), more)


def test_killed_twice_and_before_any_state(model, more, tmp_path):
    whole = _loaded(model).fit(more)
    path = tmp_path / "newer"
    _kill_further(model, path, more, batches=1)
    assert {one.name for one in (path / "unfinished").iterdir()} == {"fit.json", "start"}
    killed(lambda: _resumed(path).fit(more, callbacks=[KillAfter(9)]))
    killed(lambda: _resumed(path).fit(more, callbacks=[KillAfter(7)]))
    _check_same(_resumed(path).fit(more), whole, more)


@pytest.mark.parametrize("name", ["mkdir", "replace"])
def test_killed_while_the_start_is_written(model, more, tmp_path, monkeypatch, name):
    path = tmp_path / "newer"
    with monkeypatch.context() as dies:
        if name == "mkdir":
            dies.setattr("mm_core.artifact.save.put_in_place", kill_now)
        else:
            dies.setattr(records.os, "replace", kill_now)
        killed(lambda: _loaded(model, path).fit(more))
    for resume in (True, False):  # neither remedy names what has just failed
        with pytest.raises(ArtifactError) as caught:
            MultiModalPredictor.load(path, resume=resume)
        assert "resume=True" not in caught.value.remedy
    whole = _loaded(model).fit(more)
    _check_same(_loaded(model, path).fit(more), whole, more)
    _check_same(_loaded(path), whole, more)


@pytest.mark.parametrize("resume", [True, False])
def test_files_of_loggers_beside_the_state_are_no_hindrance(small_table, tmp_path, resume):
    path = tmp_path / "model"
    given = {"loggers": CSVLogger(path), "callbacks": [KillAfter(14)]}
    killed(lambda: _predictor(path).fit(small_table, **given))
    assert {one.name for one in path.iterdir()} == {"unfinished", "lightning_logs"}
    predictor = _resumed(path) if resume else _predictor(path)
    predictor.fit(small_table, loggers=CSVLogger(path))
    _check_same(_loaded(path), predictor, small_table)
    assert {one.name for one in (path / "lightning_logs").iterdir()} == {"version_0", "version_1"}


class _Trap:
    """Unpickling this writes a file."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("kind", ["pickle", "torn", "missing", "another"])
def test_a_start_that_was_altered_is_refused(model, small_table, more, tmp_path, kind):
    path = tmp_path / "newer"
    _kill_further(model, path, more)
    start = path / "unfinished" / "start"
    weights = start / "engine/weights.safetensors"
    if kind == "pickle":
        weights.write_bytes(pickle.dumps(_Trap(tmp_path / "sprung")))
    elif kind == "torn":
        weights.write_bytes(weights.read_bytes()[:-4])
    elif kind == "missing":
        shutil.rmtree(start)
    else:
        _predictor(**{"backbones.tabular.width": 16}).fit(small_table).save(start)
    with pytest.raises(ArtifactError) as caught:
        _resumed(path)
    assert caught.value.remedy
    assert not (tmp_path / "sprung").exists()


def test_a_record_that_was_altered_is_refused(model, more, tmp_path):
    path = tmp_path / "newer"
    _kill_further(model, path, more)
    file = path / "unfinished" / "fit.json"
    record = json.loads(file.read_text())
    record["recipe"]["backbones"]["tabular"]["width"] = 16
    file.write_text(json.dumps(record))
    with pytest.raises(ArtifactError, match=r"fit\.json is not of the model"):
        _resumed(path)


@pytest.mark.parametrize("elsewhere", ["other", None])
def test_it_is_saved_where_it_was_to_be(model, more, tmp_path, elsewhere):
    path = tmp_path / "newer"
    _kill_further(model, path, more)
    again = _resumed(path)
    again.path = elsewhere
    with pytest.raises(ConfigError, match="taken up in"):
        again.fit(more)
    again.path = str(path)
    again.fit(more)
