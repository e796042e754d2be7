"""Processes that make batches for a network.

Not torch's DataLoader: where it pins memory, its workers that live through several passes are
waited for five seconds each, whenever the garbage collector comes upon them (decision 0011).
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

import numpy as np
import torch
import torch.multiprocessing  # tensors that are sent lie in memory that is shared

from mm_core.api.batch import Batch
from mm_core.api.errors import MMError
from mm_core.api.nn import tensors
from mm_core.data.ahead import made_ahead

K = TypeVar("K")
Made = tuple[Batch, Any]
"""A batch, and what goes beside it."""

SHARED_BYTES = 64 * 2**10
"""Arrays from this size on lie in memory that processes share; handing one over takes longer than
copying a smaller one."""

AHEAD = 2
"""Batches that each process has made or makes while one of its own is waited for."""

GRACE = 2.0
"""Seconds in which processes may end by themselves."""


class Workers(Generic[K]):
    """Makes batches in processes of its own, which live until it is closed, or this process ends.

    Each makes every n-th batch. They ignore Ctrl-C, which the process that asks deals with.

    Args:
        make: key -> a batch of numpy arrays, and what goes beside it; called in the processes.
        count: of processes.
        pinned: whether tensors come in memory that a GPU reads by itself.
    """

    def __init__(self, make: Callable[[K], Made], count: int, pinned: bool) -> None:
        # A fork has what it makes batches of; elsewhere it is sent.
        forks = sys.platform == "linux"
        multiprocessing.util.get_temp_dir()  # of this process, which removes it: they share it
        context: Any = multiprocessing.get_context("fork" if forks else None)
        self._pinned = pinned
        self._ends: list[Connection] = []
        self._owed = [0] * count
        self._processes = []
        for _ in range(count):
            mine, its = context.Pipe()
            inherited = (*self._ends, mine) if forks else ()
            process = context.Process(target=_work, args=(make, its, inherited), daemon=True)
            process.start()
            its.close()
            self._ends.append(mine)
            self._processes.append(process)

    def made(self, keys: Sequence[K]) -> Generator[Made, None, None]:
        """The batches of these keys as tensors, in order.

        Raises:
            Exception: what was raised when one of them was made, where it was to come.
            MMError: a process has ended.
        """
        self._forget_what_is_owed()
        for at in range(min(AHEAD * len(self._ends), len(keys))):
            self._ask(keys, at)
        jobs = (partial(self._get, keys, at) for at in range(len(keys)))
        yield from made_ahead(jobs, threads=1 if self._pinned else 0)

    def close(self) -> None:
        """Let the processes go."""
        for end in self._ends:
            end.close()
        until = time.monotonic() + GRACE
        for process in self._processes:
            process.join(max(0.0, until - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
        self._ends, self._processes, self._owed = [], [], []

    def _ask(self, keys: Sequence[K], at: int) -> None:
        worker = at % len(self._ends)
        try:
            self._ends[worker].send(keys[at])
        except BrokenPipeError:
            raise self._ended(worker) from None
        self._owed[worker] += 1

    def _get(self, keys: Sequence[K], at: int) -> Made:
        made = self._answer_of(at % len(self._ends))
        if at + AHEAD * len(self._ends) < len(keys):
            self._ask(keys, at + AHEAD * len(self._ends))
        if isinstance(made, _Failed):
            raise made.error
        batch, beside = made
        batch = tensors(batch)
        return batch.pin_memory() if self._pinned else batch, beside

    def _answer_of(self, worker: int) -> Made | _Failed:
        try:
            answer: Made | _Failed = self._ends[worker].recv()
        except (
            EOFError,
            ConnectionResetError,
        ):  # the latter where it had not read all it was asked
            raise self._ended(worker) from None
        self._owed[worker] -= 1
        return answer

    def _ended(self, worker: int) -> MMError:
        process = self._processes[worker]
        process.join()
        return MMError(
            f"a process that makes batches has ended (exit code {process.exitcode})",
            value=process.exitcode,
            remedy="if memory ran out: training.workers=1 or 0, or a smaller batch size",
        )

    def _forget_what_is_owed(self) -> None:
        """Of a pass that was left before its end."""
        for worker, owed in enumerate(self._owed):
            for _ in range(owed):
                self._answer_of(worker)


class _Failed:
    """An error on its way to the process that asked."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _work(
    make: Callable[[Any], Made], connection: Connection, inherited: Sequence[Connection]
) -> None:
    """Answer until the other end is closed, or the process that holds it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a fit has one of its own
    torch.set_num_threads(1)
    for end in inherited:  # else this one would not see that the other process is gone
        end.close()
    try:
        while True:
            _send(connection, _made(make, connection.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # Nothing of what was inherited is to be tidied up by this process: it is another's.
        os._exit(0)


def _made(make: Callable[[Any], Made], key: Any) -> Made | _Failed:
    try:
        batch, beside = make(key)
    except Exception as error:  # noqa: BLE001, raised where the batch was to come
        return _Failed(error)
    return batch.map(_shared), beside


def _send(connection: Connection, answer: Made | _Failed) -> None:
    try:
        connection.send(answer)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001, what was made, or the error, cannot be sent
        told = answer.error if isinstance(answer, _Failed) else error
        connection.send(_Failed(RuntimeError(f"{type(told).__name__}: {told}")))


def _shared(value: Any) -> Any:
    large = isinstance(value, np.ndarray) and value.nbytes >= SHARED_BYTES
    return torch.from_numpy(value) if large and value.dtype.kind in "biufc" else value
