"""A topology with backbones that are known by heart, on rows of random numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from mm_core.api.batch import mapped
from mm_core.api.config import Config
from mm_core.api.features import take
from mm_core.api.nn import Backbone, BackboneContext, Batch, Features, FusionHead, Parts, Topology
from mm_core.api.specs import FusionHeadSpec, TaskSpec
from mm_core.api.tasks import Task
from mm_core.plugins.offered import default_options
from mm_core.testing.subject import Subject
from mm_core.training.seeding import seeded

NAMES = ("right", "left", "inner")
_NUMBERS, _WIDTH = 4, 6
_ROWS = 24


class Stub(Backbone):
    """A layer over its numbers."""

    def __init__(self) -> None:
        super().__init__(Config(), BackboneContext({}, {}))
        self.layer = nn.Linear(_NUMBERS, _WIDTH)

    @property
    def dims(self) -> dict[str, int]:
        return {"pooled": _WIDTH, "tokens": _WIDTH}

    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        (arrays,) = inputs.values()
        pooled = torch.tanh(self.layer(arrays["numbers"]))
        tokens = pooled[:, None].expand(-1, 2, -1)
        return Features(pooled, tokens, tokens.new_ones(tokens.shape[:2]).bool())


@dataclass(frozen=True)
class Built:
    """A topology with its task, and a batch of the sample labels with numbers for each input.

    Predictions have ``options``, the defaults of the task.
    """

    topology: Topology
    batch: Batch
    options: Any = None

    def rows(self, chosen: list[int]) -> Batch:
        """These rows of the batch."""
        index = torch.tensor(chosen)
        return Batch(
            inputs=take(self.batch.inputs, index),
            present=take(self.batch.present, index),
            targets=take(self.batch.targets, index),
            weight=None if self.batch.weight is None else self.batch.weight[index],
            row_ids=index,
            meta=rows_of(self.batch.meta, index),
        )

    def with_gaps(self) -> Built:
        """Row i lacks input i (of K + 1); with one input, every other row lacks it."""
        present = {name: value.clone() for name, value in self.batch.present.items()}
        for row in range(len(self.batch)):
            for place, name in enumerate(present):
                present[name][row] = place != row % (len(present) + 1)
        return replace(self, batch=replace(self.batch, present=present))

    def spoilt(self, value: float) -> Built:
        """``value`` stands in every absent slot."""
        inputs = {
            name: _filled(arrays, ~self.batch.present[name], value)
            for name, arrays in self.batch.inputs.items()
        }
        return replace(self, batch=replace(self.batch, inputs=inputs))


def _filled(values: Any, absent: Tensor, filling: float) -> Any:
    """Numbers of absent rows replaced, in tensors [B, ...] and in lists of B."""
    if isinstance(values, Mapping):
        return {name: _filled(value, absent, filling) for name, value in values.items()}
    if isinstance(values, Tensor):
        if not values.is_floating_point():
            return values
        return values.masked_fill(absent.view(-1, *[1] * (values.dim() - 1)), filling)
    if isinstance(values, list):
        return [
            _filled(one, gone.expand(len(one)), filling) if isinstance(one, Tensor) else one
            for one, gone in zip(values, absent, strict=True)
        ]
    return values


def rows_of(values: Any, rows: Tensor) -> Any:
    """Rows of meta, or of outputs: of arrays and tensors [B, ...], lists of B, mappings of them."""
    if isinstance(values, np.ndarray):
        return values[rows.numpy()]
    if isinstance(values, Mapping):
        return {name: rows_of(value, rows) for name, value in values.items()}
    return take(values, rows)


def predicted(built: Built) -> dict[str, Any]:
    """Outputs for ``decode``: numpy, lists."""
    with torch.no_grad(), seeded(0):
        found: dict[str, Any] = built.topology.eval().predict(built.batch, built.options)
    return as_numpy(found)


def as_numpy(values: dict[str, Any]) -> dict[str, Any]:
    """Tensors as arrays, wherever they stand."""
    arrays = mapped(values, lambda value: value.numpy() if isinstance(value, Tensor) else value)
    return cast("dict[str, Any]", arrays)


def over_stubs(subject: Subject[TaskSpec], task: Task, targets: Mapping[str, Any], k: int) -> Built:
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
        n = len(next(iter(targets.values()), range(_ROWS)))
        inputs = {name: {"numbers": torch.randn(n, _NUMBERS)} for name in names}
    present = {name: torch.ones(n, dtype=torch.bool) for name in names}
    tensors = {
        name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for name, value in targets.items()
    }
    batch = Batch(inputs, present, tensors, row_ids=torch.arange(n))
    return Built(topology, batch, default_options(subject.component))


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
