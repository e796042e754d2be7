"""The parts of a network that are called one after the other."""

from __future__ import annotations

from collections.abc import Iterator

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
