"""Randomness that belongs to one fit and leaves the user's process as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's generators are seeded inside and restored afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
