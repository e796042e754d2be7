"""Backbones to put an adapter on: one of the kit with many types of layers, and its plugin's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from mm_core.api.config import Config
from mm_core.api.errors import ConfigError
from mm_core.api.nn import Adapter, Backbone, BackboneContext
from mm_core.api.specs import AdapterSpec, BackboneSpec
from mm_core.testing.encoded_inputs import Inputs, answer, setup
from mm_core.testing.kit_networks import Mixed
from mm_core.testing.kit_points import WIDTH
from mm_core.testing.outcome import NotTried
from mm_core.testing.subject import Subject
from mm_core.training.seeding import seeded

OF_THE_KIT = "kit_points:mixed"

_ROWS = 8


@dataclass(frozen=True)
class Ground:
    """A backbone that the adapter can be applied to, with input.

    Attributes:
        name: of the backbone, for messages.
        subject: the adapter.
        plain: seed -> the backbone as it is built.
        inputs: some rows.
    """

    name: str
    subject: Subject[AdapterSpec]
    plain: Callable[[int], Backbone]
    inputs: Inputs

    def adapter(self) -> Adapter:
        """The adapter, not yet applied."""
        found: Adapter = self.subject.component.load()(self.subject.config)
        return found

    def adapted(self, seed: int = 0) -> Backbone:
        """The backbone with the adapter applied, as the core does it."""
        backbone, adapter = self.plain(seed), self.adapter()
        with seeded(seed):
            adapter.apply(backbone)
        backbone.adapter = adapter
        return backbone

    def trained(self) -> Backbone:
        """The same, and all that can be trained has moved a little."""
        backbone = self.adapted()
        with seeded(1), torch.no_grad():
            for parameter in backbone.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.1 * torch.randn_like(parameter))
        return backbone

    def answer(self, backbone: Backbone) -> dict[str, Tensor]:
        """Features at prediction."""
        return answer(backbone, self.inputs)

    def __str__(self) -> str:
        return f"on {self.name}"


def grounds(subject: Subject[AdapterSpec]) -> list[Ground]:
    """The backbones that have something for the adapter.

    Raises:
        NotTried: none has.
    """
    found, reasons = [], []
    for ground in _all(subject):
        try:
            ground.adapted()
        except ConfigError as error:
            reasons.append(f"{ground.name}: {error.message}")
        else:
            found.append(ground)
    if not found:
        raise NotTried("; ".join(reasons))
    return found


def _all(subject: Subject[AdapterSpec]) -> Iterator[Ground]:
    with seeded(0):
        points = {"left": {"points": torch.randn(_ROWS, WIDTH)}}
    yield Ground(OF_THE_KIT, subject, _mixed, points)
    for component in subject.registry.all(BackboneSpec):
        if component.plugin == subject.component.plugin:
            ready = setup(subject.beside(component))
            yield Ground(component.id, subject, ready.build, ready.inputs(ready.rows[:_ROWS]))


def _mixed(seed: int) -> Backbone:
    with seeded(seed):
        return Mixed(Config(), BackboneContext({}, {}))
