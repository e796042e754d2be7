"""Runs side by side: processes that share the cores, none of them with more than its share."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any, TypeVar

_Task = TypeVar("_Task")

_DO: Callable[..., Any] | None = None
"""In a process of these: what it does with a task."""


def side_by_side(
    do: Callable[[_Task], Any], tasks: Sequence[_Task], jobs: int
) -> Iterator[tuple[_Task, Any]]:
    """Each task with what came of it, as they end.

    Args:
        do: is handed to each process once, with what it holds.
        tasks: what it is called with; hashable.
        jobs: processes, each with an equal share of the cores; 1: this process, all of them.
    """
    if jobs == 1 or len(tasks) < 2:
        for task in tasks:
            yield task, do(task)
        return
    jobs = min(jobs, len(tasks))
    threads = max(1, len(os.sched_getaffinity(0)) // jobs) if _affinity() else 1
    pool = ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(do, threads)
    )
    try:
        running: dict[Future[Any], _Task] = {pool.submit(_run, task): task for task in tasks}
        while running:
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(done), done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _affinity() -> bool:
    return hasattr(os, "sched_getaffinity")


def _begin(do: Callable[..., Any], threads: int) -> None:
    """In a new process: what it will be asked to do, and how many threads it may have."""
    global _DO
    import torch

    torch.set_num_threads(threads)
    _DO = do


def _run(task: Any) -> Any:
    assert _DO is not None
    return _DO(task)
