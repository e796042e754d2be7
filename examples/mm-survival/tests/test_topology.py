"""Absent inputs and weights, on two small backbones put together by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
import torch
from mm_core.api.nn import Backbone, BackboneContext, Batch, Features, Fused, FusionHead, Parts
from torch import Tensor, nn

from mm_survival.configs import HazardsConfig
from mm_survival.task import Hazards
from mm_survival.topology import TimeVaryingEffects

LABELS = pd.DataFrame({"time": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "event": [1, 1, 0, 1, 0, 1]})


class Plain(Backbone):
    """A layer over two numbers."""

    def __init__(self) -> None:
        super().__init__(None, BackboneContext({}, {}))
        self.layer = nn.Linear(2, 4)

    @property
    def dims(self) -> dict[str, int]:
        """Width 4."""
        return {"pooled": 4}

    def forward(self, inputs: Any) -> Features:
        """Of the one input it reads."""
        (arrays,) = inputs.values()
        return Features(pooled=self.layer(arrays["x"]))


class Sum(FusionHead):
    """The sum of what is there, with every loss that a head may ask for."""

    dim = 4
    auxiliary_weight = 0.5

    def forward(self, features: Any, present: Any) -> Fused:
        """A loss of 3, and logits of zero for each input alone."""
        there = [
            torch.where(present[n][:, None], features[n].pooled, 0.0) for n in sorted(features)
        ]
        alone = {name: torch.zeros(len(there[0]), 3) for name in features}
        return Fused(
            pooled=torch.stack(there).sum(dim=0),
            per_input=alone,
            aux_losses={"own": torch.tensor(3.0)},
        )


def network(names: str = "ab", head: bool = True) -> TimeVaryingEffects:
    """A topology whose effects are not zero, of one backbone for each letter."""
    torch.manual_seed(0)
    task = Hazards(HazardsConfig(intervals=3, shrinkage=0), ["time", "event"])
    task.learn(LABELS)
    fusion = Sum(None, {name: {"pooled": 4} for name in names}, 3) if head else None
    reads = {name: (name,) for name in names}
    built = TimeVaryingEffects(Parts({name: Plain() for name in names}, reads, task, fusion))
    for parameter in built.parameters():
        nn.init.normal_(parameter)
    return built


def batch_of(net: TimeVaryingEffects, absent: float = 0.0, **more: Any) -> Batch:
    """Six rows: the first without ``b``, the second with nothing, ``absent`` in their places."""
    x = {name: torch.randn(6, 2, generator=torch.Generator().manual_seed(1)) for name in "ab"}
    present = {"a": torch.tensor([True, False] + [True] * 4)}
    present["b"] = torch.tensor([False, False] + [True] * 4)
    inputs = {n: {"x": torch.where(present[n][:, None], x[n], absent)} for n in net.backbones}
    targets = {name: torch.tensor(array) for name, array in net.task.encode(LABELS).items()}
    return Batch(inputs, {n: present[n] for n in inputs}, targets, **more)


def gradients(net: TimeVaryingEffects, loss: Tensor) -> list[Tensor]:
    """Of every parameter; zeros where there is none."""
    found = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
    return [torch.zeros(1) if one is None else one for one in found]


@pytest.mark.parametrize(("names", "head"), [("ab", True), ("a", False)])
def test_what_stands_in_an_absent_slot_changes_nothing(names: str, head: bool) -> None:
    """NaN least of all, in the answer and in the gradient."""
    net = network(names, head)
    plain, spoilt = (batch_of(net, absent) for absent in (0.0, torch.nan))
    assert torch.equal(net(plain)["logits"], net(spoilt)["logits"])
    assert all(one.isfinite().all() for one in gradients(net, net.loss(net(spoilt), spoilt)))
    assert torch.equal(net(spoilt)["logits"][1], net.base)
    assert torch.equal(net.embed(spoilt)[1], torch.zeros(4))


def test_a_row_of_weight_zero_teaches_nothing() -> None:
    """Its label may be anything."""
    net, other = network(), network()
    weight = torch.tensor([1.0, 1, 1, 1, 1, 0])
    batch, changed = (batch_of(one, weight=weight) for one in (net, other))
    changed.targets["exposure"][-1] = 100.0
    for one, two in zip(
        gradients(net, net.loss(net(batch), batch)),
        gradients(other, other.loss(other(changed), changed)),
        strict=True,
    ):
        assert torch.equal(one, two)


def test_losses_of_the_head_are_added() -> None:
    """Its own as it is, that of each input alone by its weight."""
    net = network()
    batch = batch_of(net)
    outputs = net(batch)
    alone = net.task.loss(torch.zeros(6, 3), batch.targets, None)
    expected = net.task.loss(outputs["logits"], batch.targets, None) + 2 * 0.5 * alone + 3
    assert torch.allclose(net.loss(outputs, batch), expected)


def test_a_head_or_a_single_backbone_gives_the_vector() -> None:
    """Two backbones and no head do not."""
    with pytest.raises(Exception, match="one vector"):
        network("ab", head=False)
