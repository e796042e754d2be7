"""Layers that a network keeps in two places: what is called is what was adapted."""

from __future__ import annotations

import copy

import torch
from mm_peft.configs import LoRAConfig
from mm_peft.lora import LoRA
from torch import nn

from mm_core.api.nn import Backbone, BackboneContext, Features


class Kept(Backbone):
    """Calls layers of a list, of a dict, by an attribute that is not registered, by a second name,
    and a copy with the same weights.

    Each of five layers is registered as well, as heads of transformers do.
    """

    pretrained = True

    def __init__(self) -> None:
        super().__init__(None, BackboneContext({}, {}))
        layers = [nn.Linear(3, 3) for _ in range(5)]
        for place, layer in enumerate(layers):
            self.add_module(str(place), layer)
        self.listed = [layers[0]]
        self.named = {"one": layers[1]}
        object.__setattr__(self, "aside", layers[2])
        self.again = nn.Sequential(layers[3])
        self.tied = nn.Linear(3, 3)
        self.tied.weight, self.tied.bias = layers[4].weight, layers[4].bias

    @property
    def dims(self):
        return {"pooled": 3}

    def forward(self, inputs):
        x = inputs["x"]["array"]
        for layer in (self.listed[0], self.named["one"], self.aside, self.again, self.tied):
            x = layer(x).tanh()
        return Features(pooled=x)


def test_what_is_called_is_adapted_and_merges():
    torch.manual_seed(0)
    backbone, adapter = Kept(), LoRA(LoRAConfig(r=2))
    given = {"x": {"array": torch.randn(5, 3)}}
    plain = backbone(given).pooled
    names = list(backbone.state_dict())
    adapter.apply(backbone)
    own = adapter.own_weights(backbone)
    trained = {name: one for name, one in backbone.named_parameters() if one.requires_grad}
    assert set(trained) <= own
    assert len(trained) == 10
    assert torch.equal(backbone(given).pooled, plain)
    for one in trained.values():
        nn.init.normal_(one)
    adapted = backbone(given).pooled
    adapted.sum().backward()
    assert all(one.grad.any() for one in trained.values())
    assert not torch.allclose(adapted, plain, atol=1e-2)
    merged = copy.deepcopy(backbone)
    adapter.merge(merged)
    assert list(merged.state_dict()) == names
    assert torch.allclose(merged(given).pooled, adapted, atol=1e-5)
    assert torch.equal(backbone(given).pooled, adapted)
