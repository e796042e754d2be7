"""Gradient checkpointing (arXiv 1604.06174) of any backbone: time for memory."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from mm_core.api.nn import Topology
from mm_core.training.loop.stages import called_stages, other_forward


@contextmanager
def recomputing(topology: Topology) -> Iterator[None]:
    """Inside, each stage of each backbone keeps its inputs only and runs again backwards.

    The state of the random generators is put back for the second run, so that dropout is the same.
    The running statistics of batch normalisation take in the first run only.
    """
    with other_forward(called_stages(topology), _checkpointed):
        yield


def _checkpointed(module: nn.Module) -> Any:
    forward = module.forward

    @functools.wraps(forward)
    def run(*args: Any, **kwargs: Any) -> Any:
        if not module.training:
            return forward(*args, **kwargs)
        again = functools.partial(_statistics_kept, module)
        return checkpoint(
            forward,
            *args,
            use_reentrant=False,
            context_fn=lambda: (nullcontext(), again()),
            **kwargs,
        )

    return run


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """Inside, batch normalisation uses its batch's statistics and does not remember them."""
    remembered = [
        (part, part.momentum, part.num_batches_tracked, part.num_batches_tracked.clone())
        for part in module.modules()
        if isinstance(part, _BatchNorm) and part.num_batches_tracked is not None
    ]
    for part, *_ in remembered:
        part.momentum = 0.0
    try:
        yield
    finally:
        for part, momentum, counter, batches in remembered:
            part.momentum = momentum
            counter.copy_(batches)
