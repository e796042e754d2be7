"""torch.compile of any backbone, while it trains."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from mm_core.api.errors import ConfigError
from mm_core.api.nn import Topology
from mm_core.training.loop.stages import called_stages, other_forward


@contextmanager
def compiling(topology: Topology) -> Iterator[None]:
    """Inside, each stage of each backbone is compiled when it is first trained.

    Stages that are alike share what is compiled. At validation and prediction they run as they
    are: compiling them once more, without gradients, would cost more than it saves.

    Raises:
        ConfigError: nothing can be compiled on this machine.
    """
    _check()
    with other_forward(called_stages(topology), _compiled):
        yield


def _compiled(module: nn.Module) -> Any:
    forward = module.forward
    fast = torch.compile(forward)

    @functools.wraps(forward)
    def run(*args: Any, **kwargs: Any) -> Any:
        return (fast if module.training else forward)(*args, **kwargs)

    return run


def _check() -> None:
    """Compile a trifle, where the network will run."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.compile(torch.nn.functional.gelu)(torch.zeros(8, device=device))
    except (RuntimeError, ImportError, OSError) as error:
        raise ConfigError(
            f"training.compile: torch.compile does not work here: {str(error).splitlines()[0]}",
            value=True,
            remedy="set training.compile=false, or install a C++ compiler",
        ) from error
