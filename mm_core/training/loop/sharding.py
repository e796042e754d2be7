"""FSDP: each process holds a share of the weights (torch's ``fully_shard``, arXiv 2304.11277)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor

from mm_core.api.nn import Topology
from mm_core.training.loop.stages import called_stages


def shard(topology: Topology, mesh: DeviceMesh) -> None:
    """Share out the weights, in place: one group for each stage of a backbone, one for the rest."""
    for module in called_stages(topology):
        if any(True for _ in module.parameters()):
            fully_shard(module, mesh=mesh)
    fully_shard(topology, mesh=mesh)


@contextmanager
def whole(topology: Topology) -> Iterator[None]:
    """Inside, each process has all weights, to use the network otherwise than in a training step.

    Does nothing where weights are not shared out.
    """
    shared = [module for module in topology.modules() if isinstance(module, FSDPModule)]
    for module in shared:
        module.unshard()
    try:
        yield
    finally:
        for module in shared:
            module.reshard()


def gather(topology: Topology, unshared: Topology) -> None:
    """Make an ordinary network of one that was shared out, in place, in all processes.

    Args:
        topology: the network.
        unshared: a copy of it from before :func:`shard`.
    """
    target = unshared.state_dict()
    with torch.no_grad():
        for name, value in topology.state_dict().items():
            if isinstance(value, DTensor):
                target[name].copy_(value.full_tensor())
            else:  # statistics, which each process has of its own rows: the first one's count
                value = value.clone()
                dist.broadcast(value, src=0)
                target[name].copy_(value)
    topology.__class__ = unshared.__class__
    topology.__dict__ = unshared.__dict__


def own_share(value: torch.Tensor) -> torch.Tensor:
    """What this process holds of a tensor: all of it, where it is not shared out."""
    return value.to_local() if isinstance(value, DTensor) else value
