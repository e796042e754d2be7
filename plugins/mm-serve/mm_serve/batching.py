"""Requests that come together are answered together, within a bound of time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mm_serve.limits import Limits


class QueueFullError(Exception):
    """More requests wait than may."""


@dataclass
class _Waiting:
    frame: pd.DataFrame
    done: asyncio.Future[Any]


class Batcher:
    """One thread that computes, and the requests that wait for it.

    Args:
        answer: (frame) -> answers and probabilities, one entry a row.
        limits: how many rows together, how long to wait for them, how many may wait.
    """

    def __init__(
        self, answer: Callable[[pd.DataFrame], tuple[pd.DataFrame, Any]], limits: Limits
    ) -> None:
        self._answer, self._limits = answer, limits
        self._open = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def open(self) -> int:
        """Requests that have no answer yet."""
        return self._open

    def start(self) -> None:
        """Begin to answer, in the running loop."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mm-serve")
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        """Answer what waits, and end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._waiting.join(), self._limits.seconds)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._thread.shutdown()

    async def rows(self, frame: pd.DataFrame) -> Any:
        """Answers and probabilities of a request's rows.

        Raises:
            QueueFullError: too many wait.
            TimeoutError: it took too long.
        """
        with self._counted():
            waiting = _Waiting(frame, asyncio.get_running_loop().create_future())
            self._waiting.put_nowait(waiting)
            return await asyncio.wait_for(waiting.done, self._limits.seconds)

    async def alone(self, work: Callable[[], Any]) -> Any:
        """Something else, in the same thread.

        Raises:
            QueueFullError: too many wait.
            TimeoutError: it took too long.
        """
        with self._counted():
            done = asyncio.get_running_loop().run_in_executor(self._thread, work)
            return await asyncio.wait_for(done, self._limits.seconds)

    @contextlib.contextmanager
    def _counted(self) -> Any:
        if self._open >= self._limits.queue:
            raise QueueFullError
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def _work(self) -> None:
        while True:
            together = [await self._waiting.get()]
            try:
                await self._gather(together)
                live = [one for one in together if not one.done.done()]  # others gave up
                if live:
                    loop = asyncio.get_running_loop()
                    found = await loop.run_in_executor(self._thread, self._answered, live)
                    for one, answer in zip(live, found, strict=True):
                        _tell(one, answer)
            finally:
                for _ in together:
                    self._waiting.task_done()

    async def _gather(self, together: list[_Waiting]) -> None:
        """More requests, until they are enough rows or the first has waited long enough."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._limits.batch_seconds
        while sum(len(one.frame) for one in together) < self._limits.batch_rows:
            left = until - loop.time()
            if left <= 0 and self._waiting.empty():
                return
            try:
                together.append(await asyncio.wait_for(self._waiting.get(), max(left, 0.0)))
            except TimeoutError:
                return

    def _answered(self, live: list[_Waiting]) -> list[Any]:
        """Of each its answer, or the error that it makes: one bad request spoils no other."""
        try:
            return self._together(live)
        except Exception as error:  # noqa: BLE001  # handed to who asked
            if len(live) == 1:
                return [error]
        return [self._answered([one])[0] for one in live]

    def _together(self, live: list[_Waiting]) -> list[Any]:
        whole = [one.frame for one in live]
        frame = whole[0] if len(whole) == 1 else pd.concat(whole, ignore_index=True)
        answer, proba = self._answer(frame)
        found, start = [], 0
        for one in live:
            end = start + len(one.frame)
            found.append((answer.iloc[start:end], None if proba is None else proba.iloc[start:end]))
            start = end
        return found


def _tell(one: _Waiting, answer: Any) -> None:
    if one.done.done():
        return
    if isinstance(answer, Exception):
        one.done.set_exception(answer)
    else:
        one.done.set_result(answer)
