"""Learning rates by stage, and weight decay by kind of parameter."""

from __future__ import annotations

import pytest
import torch

from mm_core.recipe.recipe import TrainingConfig
from mm_core.training.optimizer import parameter_groups


def _rates(topology, training, rates=None):
    groups = parameter_groups(topology, training, rates or {})
    return {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in groups
        for parameter in group["params"]
    }


def test_every_parameter_is_in_one_group(fused):
    topology = fused.predictor._model.topology
    groups = parameter_groups(topology, TrainingConfig(), {})
    given = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(given) == sorted(id(parameter) for parameter in topology.parameters())


def test_new_parts_get_the_heads_rate_and_pretrained_stages_decay(fused):
    topology = fused.predictor._model.topology
    backbone = topology.backbones["text"]
    training = TrainingConfig(learning_rate=1e-4, head_learning_rate=1e-2, layer_decay=0.5)
    assert {rate for rate, _ in _rates(topology, training).values()} == {1e-2}
    backbone.pretrained = True
    try:
        rates = _rates(topology, training)
        tops = [
            {rates[id(parameter)][0] for parameter in stage.parameters()}
            for stage in backbone.stages()
        ]
        own = _rates(topology, training, {"text": 3e-5})
    finally:
        del backbone.pretrained
        backbone.pretrained = False
    expected = [1e-4 * 0.5**depth for depth in reversed(range(len(tops)))]
    assert [rate for (rate,) in tops] == pytest.approx(expected)
    top_stage = list(backbone.stages())[-1]
    assert {own[id(p)][0] for p in top_stage.parameters()} == {3e-5}
    assert rates[id(topology.head.weight)][0] == 1e-2


def test_only_matrices_decay(fused):
    topology = fused.predictor._model.topology
    rates = _rates(topology, TrainingConfig(weight_decay=0.3))
    for module in topology.modules():
        for parameter in module.parameters(recurse=False):
            plain = parameter.ndim < 2 or isinstance(module, torch.nn.Embedding)
            assert rates[id(parameter)][1] == (0.0 if plain else 0.3)
