"""A topology with backbones that are known by heart, on rows of random numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mm_core.api.config import Config
from mm_core.api.features import take
from mm_core.api.nn import Backbone, BackboneContext, Batch, Features, FusionHead, Parts, Topology
from mm_core.api.specs import FusionHeadSpec, TaskSpec
from mm_core.api.tasks import Task
from mm_core.testing.subject import Subject
from mm_core.training.seeding import seeded

NAMES = ("right", "left", "inner")
_NUMBERS, _WIDTH = 4, 6


class Stub(Backbone):
    """A layer over its numbers; remembers whether it was shown a number that is not finite."""

    shown_absent = False

    def __init__(self) -> None:
        super().__init__(Config(), BackboneContext({}, {}))
        self.layer = nn.Linear(_NUMBERS, _WIDTH)

    @property
    def dims(self) -> dict[str, int]:
        return {"pooled": _WIDTH, "tokens": _WIDTH}

    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        (arrays,) = inputs.values()
        self.shown_absent |= not bool(torch.isfinite(arrays["numbers"]).all())
        pooled = torch.tanh(self.layer(arrays["numbers"]))
        tokens = pooled[:, None].expand(-1, 2, -1)
        return Features(pooled, tokens, tokens.new_ones(tokens.shape[:2]).bool())


@dataclass(frozen=True)
class Built:
    """A topology with its task, and a batch of the sample labels with numbers for each input."""

    topology: Topology
    batch: Batch

    def rows(self, chosen: list[int]) -> Batch:
        """These rows of the batch."""
        index = torch.tensor(chosen)
        return Batch(
            inputs=take(self.batch.inputs, index),
            present=take(self.batch.present, index),
            targets=take(self.batch.targets, index),
            weight=None if self.batch.weight is None else self.batch.weight[index],
            row_ids=index,
        )

    def with_gaps(self) -> Built:
        """Row i lacks input i (of K + 1); with one input, every other row lacks it."""
        present = {name: value.clone() for name, value in self.batch.present.items()}
        for row in range(len(self.batch)):
            for place, name in enumerate(present):
                present[name][row] = place != row % (len(present) + 1)
        return Built(self.topology, replace(self.batch, present=present))

    def spoilt(self, value: float) -> Built:
        """``value`` stands in every absent slot."""
        inputs = {
            name: {
                "numbers": arrays["numbers"].masked_fill(~self.batch.present[name][:, None], value)
            }
            for name, arrays in self.batch.inputs.items()
        }
        return Built(self.topology, replace(self.batch, inputs=inputs))


def build(subject: Subject[TaskSpec], task: Task, targets: Mapping[str, Any], k: int) -> Built:
    """The task's topology over ``k`` stubs, with the task's own fusion head for several.

    Raises:
        RecipeError: the topology does not take so many.
    """
    names = NAMES[:k]
    with seeded(0):
        backbones = {name: Stub() for name in names}
        parts = Parts(
            backbones, {name: (name,) for name in names}, task, _fusion(subject, backbones, task)
        )
        topology: Topology = subject.component.load("topology")(parts)
        n = len(next(iter(targets.values())))
        inputs = {name: {"numbers": torch.randn(n, _NUMBERS)} for name in names}
    present = {name: torch.ones(n, dtype=torch.bool) for name in names}
    tensors = {
        name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for name, value in targets.items()
    }
    return Built(topology, Batch(inputs, present, tensors, row_ids=torch.arange(n)))


def _fusion(
    subject: Subject[TaskSpec], backbones: Mapping[str, Stub], task: Task
) -> FusionHead | None:
    if subject.spec.fusion is None or len(backbones) == 1:
        return None
    component = subject.registry.get(FusionHeadSpec, subject.spec.fusion)
    dims = {name: backbone.dims for name, backbone in backbones.items()}
    head: FusionHead = component.load()(
        component.read({}, where=component.id), dims, task.output_dim
    )
    return head
