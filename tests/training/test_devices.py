"""Where a fit runs by itself, and with what help. No GPU is needed: what there is, is told."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch

from mm_core.api import Encoded
from mm_core.data.encoded import EncodedFrame
from mm_core.recipe.training import TrainingConfig
from mm_core.training import workers
from mm_core.training.batches import TrainBatches
from mm_core.training.loop.module import NetworkModule
from mm_core.training.loop.pace import Course
from mm_core.training.loop.run import FitRun
from mm_core.training.loop.strategy import strategy
from mm_core.training.workers import enough, with_workers


@pytest.fixture
def gpus(monkeypatch):
    """Say how many GPUs there are."""

    def there_are(number):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: number > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: number)

    return there_are


@pytest.mark.parametrize(
    ("number", "wanted", "found"),
    [
        (0, "auto", "auto"),
        (1, "auto", "auto"),
        (4, "auto", "ddp_find_unused_parameters_true"),
        (4, (1, 3), "ddp_find_unused_parameters_true"),
        (4, (2,), "auto"),
        (4, 1, "auto"),
    ],
)
def test_several_devices_share_the_work_and_one_has_it_all(gpus, number, wanted, found):
    gpus(number)
    assert strategy(TrainingConfig(devices=wanted)) == found


def test_cheap_batches_need_no_help_and_dear_ones_all_cores_but_one():
    assert [enough(0.001, cores) for cores in (1, 4, 64)] == [0, 0, 0]
    assert [enough(0.5, cores) for cores in (0, 1, 4, 64)] == [0, 0, 3, 16]


@pytest.mark.parametrize(
    ("number", "asked", "made_by"), [(0, "auto", 0), (0, 2, 2), (1, "auto", 5), (1, 0, 0)]
)
def test_workers(gpus, monkeypatch, number, asked, made_by):
    gpus(number)
    monkeypatch.setattr(workers, "enough", lambda seconds, cores: 5 if seconds > 0 else 0)
    frame = EncodedFrame({"table": Encoded({}, np.ones(9, dtype=bool))}, 9)
    batches = TrainBatches({}, frame, 4, seed=0, augment=False)
    assert with_workers(batches, TrainingConfig(workers=asked))._workers == made_by


def test_the_processes_that_make_batches_are_gone_when_a_fit_is(small_table, fit_table):
    settings = {"training.epochs": 2, "training.max_steps": 3, "training.batch_size": 16}
    predictor = fit_table(small_table, hyperparameters=settings | {"training.workers": 2})
    assert not multiprocessing.active_children()
    again = fit_table(
        small_table, hyperparameters=settings | {"training.batch_size": 16, "training.workers": 0}
    )
    assert predictor.history["loss"].tolist() == again.history["loss"].tolist()


@pytest.mark.parametrize("precision", ["16-mixed", "32"])
def test_all_parameters_are_stepped_at_once(fit_table, small_table, precision):
    """One by one, as ``fused=False`` means, a step takes twice as long on a GPU."""
    topology = fit_table(small_table)._model.topology
    training = TrainingConfig(precision=precision)
    run = FitRun(training, {}, None, "accuracy", True, Path())
    module = NetworkModule(topology, run, Course(10), [4, 4], 1)
    (optimizer,), _ = module.configure_optimizers()
    assert optimizer.defaults["fused"] is (None if precision == "16-mixed" else True)
    assert optimizer.defaults["foreach"] is None
