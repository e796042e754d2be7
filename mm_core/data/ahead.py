"""Things made by threads while the one before is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

UNNOTICED = 0.02
"""Seconds for a batch that one thread makes beside a GPU without keeping it waiting."""

MOST = 16
"""Threads or processes that make batches; more threads would wait for Python's lock."""


def enough(seconds: float, cores: int) -> int:
    """Threads or processes, on all cores but one, that batches of so many seconds are worth.

    Args:
        seconds: to make one batch.
        cores: that this process may use.
    """
    return 0 if seconds < UNNOTICED else max(0, min(MOST, cores - 1))


def made_ahead(jobs: Iterable[Callable[[], T]], threads: int) -> Generator[T, None, None]:
    """What the jobs give, in their order.

    Args:
        jobs: each makes one thing. Each is called once, and no more of them than are waited for and
            one for each thread: what they make is large.
        threads: that call the next ones meanwhile; 0: each is called here, when it is asked for.

    Raises:
        Exception: what a job raised, where its thing was to come.
    """
    if not threads:
        for job in jobs:
            yield job()
        return
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="mm-ahead") as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(job))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for made in waiting:
                made.cancel()
