"""``mm fit --from`` and ``--resume``: a saved model stays, a fit that was killed goes on."""

from __future__ import annotations

import json
import os

import lightning.pytorch as pl
import pytest
import torch

from mm_core import MultiModalPredictor
from tests.killed import kill_now, killed

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or torch.cuda.is_available(), reason="forks, which a GPU survives not"
)

OFTEN = ["--set", "training.save_every=0", "--set", "training.batch_size=16"]


@pytest.fixture(autouse=True)
def one_thread():
    """As in the forked process: sums of several threads differ in their last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _kill_after_states(states, monkeypatch, command):
    """Run a command whose process is killed where it would write one more state."""
    save, left = pl.Trainer.save_checkpoint, [states]

    def dying(*arguments, **named):
        left[0] -= 1
        return save(*arguments, **named) if left[0] >= 0 else kill_now()

    with monkeypatch.context() as dies:
        dies.setattr(pl.Trainer, "save_checkpoint", dying)
        killed(command)


def _files(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_further_fit_that_was_killed_goes_on(folder, model, mm, tmp_path, monkeypatch):
    rows, out = folder / "test.csv", tmp_path / "newer"
    before = _files(model)
    further = ("fit", rows, "--from", model, *OFTEN)
    whole = mm(*further, "--out", tmp_path / "whole", "--json")
    assert whole.code == 0, whole.err
    _kill_after_states(2, monkeypatch, lambda: mm(*further, "--out", out))
    assert {path.name for path in out.iterdir()} == {"unfinished"}
    refused = mm("predict", out, rows)
    assert refused.code == 1
    assert "resume=True" in refused.err
    done = mm("fit", rows, "--out", out, "--resume", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["best_score"] == json.loads(whole.out)["best_score"]
    found, wanted = (
        MultiModalPredictor.load(one).predict_proba(rows).to_numpy()
        for one in (out, tmp_path / "whole")
    )
    assert (found == wanted).all()
    assert {path.name for path in out.iterdir()} == {path.name for path in model.iterdir()}
    assert _files(model) == before


def test_over_the_model_itself(folder, model, mm, tmp_path, monkeypatch):
    rows, own = folder / "test.csv", tmp_path / "own"
    assert mm("save", model, "--out", own).code == 0
    further = ("fit", rows, "--from", own, *OFTEN, "--out", own)
    _kill_after_states(2, monkeypatch, lambda: mm(*further))
    assert mm("evaluate", own, rows).code == 0
    done = mm("fit", rows, "--out", own, "--resume")
    assert done.code == 0, done.err
    assert _files(own)["engine/weights.safetensors"] != _files(model)["engine/weights.safetensors"]


def test_notes_in_the_folder_stay(folder, model, mm, tmp_path):
    own = tmp_path / "own"
    assert mm("save", model, "--out", own).code == 0
    (own / "notes.txt").write_text("mine")
    quick = ("--set", "training.max_steps=1")
    assert mm("fit", folder / "test.csv", "--from", own, *quick, "--out", own).code == 0
    assert mm("save", model, "--out", own).code == 0
    assert (own / "notes.txt").read_text() == "mine"
