"""Fits in several threads take turns, and leave the process's generators as they found them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch

from mm_core import MultiModalPredictor

BRIEF = {"training.epochs": 1, "training.batch_size": 8}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=64)
    return pd.DataFrame({"x": x, "z": rng.normal(size=64), "y": np.where(x > 0, "up", "down")})


def _fit(frame, seed=7):
    return MultiModalPredictor("y", hyperparameters=BRIEF, verbosity=0).fit(frame, seed=seed)


def test_several_at_once_give_what_each_gives_alone(rows):
    alone = {seed: _fit(rows, seed).predict_proba(rows) for seed in (7, 8)}
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    seeds = [7, 8, 7, 8]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seed: _fit(rows, seed).predict_proba(rows), seeds))
    for seed, proba in zip(seeds, found, strict=True):
        pd.testing.assert_frame_equal(proba, alone[seed], check_exact=True)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_loading_leaves_the_generator_alone(rows, tmp_path):
    _fit(rows).save(tmp_path / "model")
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    MultiModalPredictor.load(tmp_path / "model").predict(rows)
    assert torch.equal(torch.random.get_rng_state(), before)
