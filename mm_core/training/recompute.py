"""Gradient checkpointing (arXiv 1604.06174) of any backbone: time for memory."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from mm_core.api.nn import Topology
from mm_core.training.stages import called_stages


@contextmanager
def recomputing(topology: Topology) -> Iterator[None]:
    """Inside, each stage of each backbone keeps its inputs only and runs again backwards.

    The state of the random generators is put back for the second run, so that dropout is the same.
    The running statistics of BatchNorm see each batch twice.
    """
    stages = called_stages(topology)
    for module in stages:
        module.forward = _checkpointed(module)
    try:
        yield
    finally:
        for module in stages:
            del module.forward


def _checkpointed(module: nn.Module) -> Any:
    forward = module.forward

    @functools.wraps(forward)
    def run(*args: Any, **kwargs: Any) -> Any:
        if not module.training:
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return run
