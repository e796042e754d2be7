"""What is remembered of the best model."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn

from mm_core.api.contracts import FitRun
from mm_core.recipe.recipe import TrainingConfig
from mm_core.training.best import KeepBest


def test_best_weights_and_buffers_come_back_and_frozen_ones_are_not_copied(tmp_path):
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    network[0].bias.requires_grad = False
    scores = iter([0.5, 0.9, 0.7])
    run = FitRun(TrainingConfig(), {}, lambda: next(scores), "roc_auc", True, tmp_path)
    best = KeepBest(network, run, TrainingConfig(), batches=1)
    trainer = SimpleNamespace(
        global_step=1, callback_metrics={}, loggers=[], should_stop=False, current_epoch=0
    )
    for value in (1.0, 2.0, 3.0):
        with torch.no_grad():
            network[0].weight.fill_(value)
            network[0].bias.fill_(value)
            network[1].running_mean.fill_(value)
        best.on_train_batch_end(trainer, None, {"loss": torch.tensor(1.0)}, None, 0)
    assert best.finish().best_score == 0.9
    assert network[0].weight.unique().item() == 2.0
    assert network[1].running_mean.unique().item() == 2.0
    assert network[0].bias.unique().item() == 3.0  # nobody trains it: left as it is
