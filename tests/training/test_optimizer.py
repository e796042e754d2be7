"""Learning rates by stage, and weight decay by kind of parameter."""

from __future__ import annotations

import pytest
import torch

from mm_core.api.nn import Adapter, Backbone, BackboneContext, Parts
from mm_core.recipe.training import TrainingConfig
from mm_core.topologies.late_fusion import LateFusion
from mm_core.training.loop.optimizer import parameter_groups


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


def test_a_rate_is_one_group_with_decay_and_one_without_and_the_heads_is_last(fused):
    """Each group is a kernel of its own in every step; the last one's rate is what is logged."""
    topology = fused.predictor._model.topology
    training = TrainingConfig(head_learning_rate=1e-2)
    for rates in [{}, {"text": 3e-5}]:
        groups = parameter_groups(topology, training, rates)
        kinds = [(group["lr"], group["weight_decay"]) for group in groups]
        assert len(kinds) == len(set(kinds)) == 2 * (1 + len(rates))
        assert groups[-1]["lr"] == 1e-2


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
    assert rates[id(topology.fusion.head.weight)][0] == 1e-2


def test_only_weights_of_layers_decay(fused):
    topology = fused.predictor._model.topology
    rates = _rates(topology, TrainingConfig(weight_decay=0.3))
    for module in topology.modules():
        for name, parameter in module.named_parameters(recurse=False):
            plain = parameter.ndim < 2 or isinstance(module, torch.nn.Embedding)
            decayed = not plain and name == "weight"
            assert rates[id(parameter)][1] == (0.3 if decayed else 0.0), name
    numbers = dict(topology.backbones["tabular"].embedding.numbers.named_parameters())
    assert numbers["bias"].ndim == numbers["absent"].ndim == 2  # of each column its own


def test_vectors_of_single_numbers_do_not_decay(small_table, fit_table):
    """As in the tokenizer of FT-Transformer, which is an embedding of numbers and categories."""
    settings = {
        "backbones.tabular.id": "tabular:ft_transformer",
        "backbones.tabular.width": 16,
        "backbones.tabular.n_heads": 2,
        "backbones.tabular.n_blocks": 1,
        "training.epochs": 1,
    }
    topology = fit_table(small_table, hyperparameters=settings)._model.topology
    rates = _rates(topology, TrainingConfig(weight_decay=0.3))
    own = dict(topology.backbones["tabular"].named_parameters())
    vectors = [name for name in own if name.startswith("tokenizer.")]
    assert any(name.startswith("tokenizer.numbers.") for name in vectors)
    assert {rates[id(own[name])][1] for name in vectors} == {0.0}
    assert 0.3 in {decay for _, decay in rates.values()}


def test_an_adapter_learns_at_the_heads_rate_and_vectors_do_not_decay():
    topology = _adapted()
    backbone = topology.backbones["points"]
    training = TrainingConfig(learning_rate=1e-4, head_learning_rate=1e-2, weight_decay=0.3)
    rates = _rates(topology, training)
    assert rates[id(backbone.down)] == (1e-2, 0.3)
    assert rates[id(backbone.scale)] == (1e-2, 0.0)
    assert rates[id(backbone.layer.bias)] == (1e-4, 0.0)
    assert id(backbone.layer.weight) not in rates
    assert len(rates) == len([p for p in topology.parameters() if p.requires_grad])
    own = _rates(topology, training, {"points": 5e-3})
    assert {own[id(p)][0] for p in backbone.parameters() if p.requires_grad} == {5e-3}


class _Points(Backbone):
    pretrained = True

    def __init__(self):
        super().__init__(None, BackboneContext({}, {}))
        self.layer = torch.nn.Linear(3, 4)
        self.down = torch.nn.Parameter(torch.zeros(2, 3))
        self.scale = torch.nn.Parameter(torch.ones(1, 4))

    @property
    def dims(self):
        return {"pooled": 4}

    def forward(self, inputs):
        raise NotImplementedError


class _Low(Adapter):
    def apply(self, backbone):
        backbone.layer.weight.requires_grad_(False)

    def own_weights(self, backbone):
        return frozenset({"down", "scale"})


def _adapted():
    backbone = _Points()
    backbone.adapter = _Low(None)
    backbone.adapter.apply(backbone)

    return LateFusion(Parts({"points": backbone}, {"points": ("points",)}, _Task()))


class _Task:
    output_dim = 2


def test_new_modules_of_a_pretrained_backbone_get_the_heads_rate_and_are_no_level_of_decay():
    backbone = _Necked()
    topology = LateFusion(Parts({"points": backbone}, {"points": ("points",)}, _Task()))
    training = TrainingConfig(learning_rate=1e-4, head_learning_rate=1e-2, layer_decay=0.5)
    expected = {"bottom": 0.5e-4, "inside": 1e-2, "top": 1e-4, "neck": 1e-2}
    rates = _rates(topology, training)
    found = {name: rates[id(getattr(backbone, name).weight)][0] for name in expected}
    assert found == pytest.approx(expected)
    own = _rates(topology, training, {"points": 3e-5})
    found = {name: own[id(getattr(backbone, name).weight)][0] for name in expected}
    assert found == pytest.approx(expected | {"bottom": 1.5e-5, "top": 3e-5})
    backbone.pretrained = False  # all of it is new: one rate, its own where it has one
    assert {rate for rate, _ in _rates(topology, training, {"points": 3e-5}).values()} == {
        3e-5,
        1e-2,
    }
    assert _rates(topology, training, {"points": 3e-5})[id(backbone.neck.weight)][0] == 3e-5


def test_new_modules_train_inside_of_what_is_still():
    backbone = _Necked()
    backbone.still = (backbone,)
    backbone.train()
    assert not backbone.training
    assert not backbone.top.training
    assert backbone.neck.training
    assert backbone.inside.training
    backbone.eval()
    assert not any(module.training for module in backbone.modules())


class _Necked(Backbone):
    """Two pretrained levels, the first with a new layer inside, and a new neck on top."""

    pretrained = True

    def __init__(self):
        super().__init__(None, BackboneContext({}, {}))
        self.bottom, self.inside, self.top, self.neck = (torch.nn.Linear(4, 4) for _ in range(4))
        self.new = (self.inside, self.neck)

    @property
    def dims(self):
        return {"pooled": 4}

    def forward(self, inputs):
        raise NotImplementedError

    def stages(self):
        return [torch.nn.ModuleList([self.bottom, self.inside]), self.top, self.neck]
