"""A fitter that trains twice, cut off anywhere, ends as if it had not been."""

from __future__ import annotations

import os
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError
from tests.killed import KillAfter, killed

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or torch.cuda.is_available(), reason="forks, which a GPU survives not"
)

PHASES = Path(__file__).with_name("files") / "phases.py"
SETTINGS = {
    "fit": "phases:two",
    "training.epochs": 2,
    "training.batch_size": 16,
    "training.head_learning_rate": 0.01,
    "training.save_every": 0.0,
    "backbones.tabular.width": 8,
    "backbones.tabular.dropout": 0.2,
}
"""4 batches an epoch: 8 in the first phase, 16 in the second."""


class Seen(pl.Callback):
    batches = 0

    def on_train_batch_end(self, *arguments):
        self.batches += 1


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _predictor(path=None):
    return MultiModalPredictor(
        "kind", hyperparameters=SETTINGS, path=path, verbosity=0, plugins=[PHASES]
    )


def _resumed(path, frame, **given):
    again = MultiModalPredictor.load(path, resume=True, verbosity=0, plugins=[PHASES])
    return again.fit(frame, **given)


def _check_same(one, other, frame):
    answers = [predictor.predict_proba(frame).to_numpy() for predictor in (one, other)]
    np.testing.assert_array_equal(*answers)
    histories = [predictor.history.drop(columns="seconds") for predictor in (one, other)]
    assert histories[0].equals(histories[1])


@pytest.mark.parametrize(
    ("killed_at", "left"),
    [(5, 8 + 16 - 4), (9, 16), (15, 16 - 6), (24, 1)],
    ids=["in the first", "as the second begins", "in the second", "in its last batch"],
)
def test_it_ends_as_if_it_had_not_been_cut_off(small_table, tmp_path, killed_at, left):
    whole = _predictor().fit(small_table)
    path = tmp_path / "model"
    killed(lambda: _predictor(path).fit(small_table, callbacks=[KillAfter(killed_at)]))
    seen = Seen()
    again = _resumed(path, small_table, callbacks=[seen])
    assert seen.batches == left
    _check_same(again, whole, small_table)
    assert not (path / "unfinished").exists()


def test_cut_off_in_each_phase(small_table, tmp_path):
    whole = _predictor().fit(small_table)
    path = tmp_path / "model"
    killed(lambda: _predictor(path).fit(small_table, callbacks=[KillAfter(11)]))
    (path / "unfinished" / "finished.ckpt").unlink()  # as if there had been no room for it
    killed(lambda: _resumed(path, small_table, callbacks=[KillAfter(9)]))
    again = _resumed(path, small_table)  # the second phase stands on the new first one
    _check_same(again, whole, small_table)


def test_what_is_not_of_this_training_is_refused(small_table, tmp_path):
    path = tmp_path / "model"
    killed(lambda: _predictor(path).fit(small_table, callbacks=[KillAfter(9)]))
    torch.save({"weights": {}}, path / "unfinished" / "finished.ckpt")
    with pytest.raises(ArtifactError, match=r"finished\.ckpt"):
        _resumed(path, small_table)
