"""The parts of a network that are called one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from mm_core.api.nn import Backbone, Topology


def called_stages(topology: Topology) -> list[nn.Module]:
    """The stages of all backbones; of one that only holds modules, those that are called."""
    return [
        part
        for backbone in dict.fromkeys(
            getattr(topology, "backbones", {}).values()
        )  # shared ones once
        if isinstance(backbone, Backbone)
        for stage in backbone.stages()
        for part in _called(stage)
    ]


def _called(stage: nn.Module) -> Iterator[nn.Module]:
    if type(stage).forward is not nn.Module.forward:
        yield stage
        return
    for part in stage.children():
        yield from _called(part)


@contextmanager
def other_forward(
    modules: Iterable[nn.Module], change: Callable[[nn.Module], Callable[..., Any]]
) -> Iterator[None]:
    """Inside, each module runs what ``change`` makes of it, in the place of its ``forward``."""
    before = [(module, vars(module).get("forward")) for module in dict.fromkeys(modules)]
    for module, _ in before:
        module.forward = change(module)
    try:
        yield
    finally:
        for module, own in before:
            if own is None:
                del module.forward
            else:
                module.forward = own
