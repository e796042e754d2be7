"""Several processes that run the same script, as torchrun starts them: who writes, who waits, and
what of the machine is there for one; several threads that fit.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ENDED_BY_SIGTERM = 128 + signal.SIGTERM
"""Exit status of a process that was told to end, as shells tell it."""


def is_first() -> bool:
    """Whether this process is the one to write files and to print.

    Read from what torchrun and Lightning tell each process they start.
    """
    rank = os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or "0"
    return rank == "0" and os.environ.get("NODE_RANK", "0") == "0"


def cores() -> int:
    """Cores of the CPU that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def may_have_children() -> bool:
    """Whether this process may start others: a daemon, such as one of a pool, may not."""
    return not multiprocessing.current_process().daemon


_FITTING = threading.RLock()


@contextmanager
def one_fit_at_a_time() -> Iterator[None]:
    """Other threads of this process that come here wait until this one has left.

    A fit seeds torch's global generators, for dropout and new weights know no others, and puts them
    back: two at once would draw each other's numbers.
    """
    with _FITTING:
        yield


@contextmanager
def others_wait() -> Iterator[None]:
    """The other processes go on when the first one has come to the end of this."""
    try:
        yield
    finally:
        if "torch" in sys.modules:
            import torch.distributed as dist

            if dist.is_available() and dist.is_initialized():
                dist.barrier()
