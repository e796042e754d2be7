"""Randomness that belongs to one fit and leaves the user's process as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's generators are seeded inside and restored afterwards.

    Those of GPUs only where CUDA is in use already: to look at them would start it.
    """
    in_use = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    used = range(torch.cuda.device_count()) if in_use else ()
    with torch.random.fork_rng(used):
        torch.manual_seed(seed)
        yield
