"""What a topology learned that is no tensor of it goes wherever its weights go."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from mm_core import MultiModalPredictor
from mm_core.training.loop.fingerprint import fingerprint
from tests.killed import KillAfter, killed

COUNTING = Path(__file__).with_name("files") / "counting.py"
BRIEF = {
    "training.epochs": 6,
    "training.batch_size": 16,
    "training.head_learning_rate": 0.3,  # the last validation is not the best one
    "training.save_every": 0.0,
    "backbones.tabular.width": 8,
}


def _predictor(path=None, **settings):
    return MultiModalPredictor(
        "kind", "counted", hyperparameters=BRIEF | settings, path=path, verbosity=0,
        plugins=[COUNTING],
    )  # fmt: skip


def _beside(predictor):
    network = predictor._model.topology
    return network.seen, network.sums.tolist(), network.note


@pytest.fixture(scope="module")
def rows():
    frame = np.random.default_rng(3).normal(size=(80, 3)).round(2)
    import pandas as pd

    found = pd.DataFrame(frame, columns=["a", "b", "noise"])
    found["kind"] = np.where(found.a + found.noise > 0, "yes", "no")
    return found


@pytest.fixture(scope="module")
def fitted(rows):
    return _predictor().fit(rows)


def test_it_is_that_of_the_best_validation(fitted):
    history = fitted.history
    best = int(history.loc[history["log_loss"].idxmin(), "step"])
    assert best < history["step"].iloc[-1]
    assert _beside(fitted) == (best, [best, best], b"%d batches" % best)


def test_a_fit_that_was_cut_off_goes_on_with_it(fitted, rows, tmp_path):
    if torch.cuda.is_available() or not hasattr(os, "fork"):
        pytest.skip("forks, which a GPU survives not")
    path = tmp_path / "model"
    killed(lambda: _predictor(path).fit(rows, callbacks=[KillAfter(14)]))
    again = MultiModalPredictor.load(path, resume=True, verbosity=0, plugins=[COUNTING])
    again.fit(rows)
    assert _beside(again) == _beside(fitted)
    scores = [one.history["log_loss"].tolist() for one in (again, fitted)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)


def test_a_further_fit_begins_with_it_and_leaves_the_old_one_as_it_was(fitted, rows, tmp_path):
    model = fitted.save(tmp_path / "model")
    further = MultiModalPredictor.load(model, verbosity=0, plugins=[COUNTING])
    before = further._model.topology
    seen = before.seen
    further.fit(rows, hyperparameters={"training.max_steps": 2})
    assert further._model.topology.seen == seen + 2
    assert further._model.topology.sums.tolist() == [seen + 2] * 2
    assert (before.seen, before.sums.tolist()) == (seen, [seen, seen])


def test_outputs_of_another_state_are_not_taken_for_those_of_this_one(fitted):
    model = copy.deepcopy(fitted._model)
    before = fingerprint(model.topology)
    assert np.array_equal(before, fingerprint(model.topology))
    model.topology.sums[0] += 1
    assert not np.array_equal(before, fingerprint(model.topology))
