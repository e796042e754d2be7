"""Randomness that belongs to one fit and leaves the user's process as it was."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from mm_core.api.specs import FitterSpec


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's generators are seeded inside and restored afterwards.

    Those of GPUs only where CUDA is in use already: to look at them would start it. Who draws from
    them has imported torch before: where nobody has, as in a fit of trees, it is not waited for.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    in_use = torch.cuda.is_initialized()
    used = range(torch.cuda.device_count()) if in_use else ()
    with torch.random.fork_rng(used):
        torch.manual_seed(seed)
        yield


def seeded_fit(fitter: FitterSpec, seed: int) -> AbstractContextManager[None]:
    """:func:`seeded`; a network draws, so that torch is there first."""
    if fitter.reads == "network":
        import torch  # noqa: F401
    return seeded(seed)
