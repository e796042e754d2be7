"""Gradient checkpointing (arXiv 1604.06174) for any backbone: less memory, a second forward pass."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from mm_core.api.nn import Backbone, Topology


@contextmanager
def recomputing(topology: Topology) -> Iterator[None]:
    """Inside, each stage of each backbone keeps its inputs only and runs again backwards.

    The state of the random generators is put back for the second run, so that dropout is the same.
    The running statistics of BatchNorm see each batch twice.
    """
    stages = [
        part
        for backbone in topology.backbones.values()
        if isinstance(backbone, Backbone)
        for stage in backbone.stages()
        for part in _called(stage)
    ]
    for module in stages:
        module.forward = _checkpointed(module)
    try:
        yield
    finally:
        for module in stages:
            del module.forward


def _called(stage: nn.Module) -> Iterator[nn.Module]:
    """The stage itself, or its parts where it only holds them."""
    if type(stage).forward is not nn.Module.forward:
        yield stage
        return
    for part in stage.children():
        yield from _called(part)


def _checkpointed(module: nn.Module) -> Any:
    forward = module.forward

    @functools.wraps(forward)
    def run(*args: Any, **kwargs: Any) -> Any:
        if not module.training:
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return run
