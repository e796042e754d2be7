"""How rows become batches for an engine: where they are asked for, by threads, or by processes."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mm_core.api.batch import Batch
from mm_core.api.engine import Makers, RunSettings
from mm_core.api.errors import BadCell
from mm_core.data.ahead import enough, made_ahead
from mm_core.data.encoded import EncodedFrame
from mm_core.model import Model
from mm_core.processes import cores, may_have_children

TRIED_ROWS = 16
"""Rows that tell how large and how dear the others are, and the fewest that threads are for."""

LARGE_ROW_BYTES = 64 * 2**10
LARGE_BATCH_BYTES = 32 * 2**20
"""Rows larger than the one, such as pictures, come in batches no larger than the other: a GPU is
busy with them, and every thread has one to make."""

WORTH_PROCESSES = 1.0
"""Seconds that rows take to be made, from which on processes make them that have to be started."""


@dataclass(frozen=True)
class Made:
    """A batch on its way to an engine.

    Attributes:
        rows: long [n], positions in the frame.
        meta: of the rows, for decoding.
        bad: cells that could not be read, masked.
        batch: what the engine is given; it may find more such cells.
    """

    rows: np.ndarray
    meta: dict[str, dict[str, Any]]
    bad: list[BadCell]
    batch: Batch


@dataclass(frozen=True)
class _Pace:
    """How rows become batches.

    Attributes:
        size: rows a batch.
        threads: that make batches ahead; 0: none.
        processes: that make them, where the engine knows how to use them; 0: none.
    """

    size: int
    threads: int = 0
    processes: int = 0


def _pace(model: Model, frame: EncodedFrame, rows: np.ndarray, settings: RunSettings) -> _Pace:
    """Nothing is made ahead for few rows, nor beside an engine that needs the CPU itself.

    Rows that are dear to make are made by processes, where there are enough of them, or threads;
    others by one thread. ``training.workers`` holds for processes here as well.
    """
    training = model.recipe.training
    size = _engines_size(model, settings)
    if not model.engine.leaves_cpu or len(rows) <= TRIED_ROWS:
        return _Pace(size)
    started = time.perf_counter()
    batch, _ = model.pipeline.batch(frame, rows[:TRIED_ROWS])
    seconds = (time.perf_counter() - started) / TRIED_ROWS
    row_bytes = size_of(batch.inputs) // TRIED_ROWS
    if settings.batch_size is None and row_bytes > LARGE_ROW_BYTES:
        size = min(size, max(TRIED_ROWS, LARGE_BATCH_BYTES // row_bytes))
    makers = enough(seconds * size, cores())
    wanted = makers if training.workers == "auto" else training.workers
    forked = makers and seconds * len(rows) > WORTH_PROCESSES and may_have_children()
    return _Pace(size, max(1, makers), wanted if forked else 0)


def _engines_size(model: Model, settings: RunSettings) -> int:
    return model.engine.batch_size(model.recipe.training.batch_size, settings)


class Making:
    """How the rows of a frame become batches, kept from one pass over them to the next."""

    def __init__(self, model: Model, frame: EncodedFrame, settings: RunSettings) -> None:
        self._model = model
        self._frame = frame
        self._settings = settings
        self._pace: _Pace | None = None
        self._makers: Makers | None = None

    def batch_size(self, rows: np.ndarray) -> int:
        """Rows at once. The first pass finds the pace."""
        if self._pace is None:
            self._pace = _pace(self._model, self._frame, rows, self._settings)
        # What was found too large since then is not given again.
        return min(self._pace.size, _engines_size(self._model, self._settings))

    def batches(self, parts: Sequence[np.ndarray]) -> Generator[Made, None, None]:
        """These rows as batches, in order, made ahead as the pace says."""
        assert self._pace is not None
        engine, make = self._model.engine, partial(self._model.pipeline.batch, self._frame)
        if self._pace.processes and len(parts) > 1:
            count = min(self._pace.processes, len(parts))
            self._makers = self._makers or engine.makers(make, count)
        if self._makers is not None:
            for rows, (batch, bad) in zip(parts, self._makers.made(parts), strict=True):
                yield Made(rows, batch.meta, bad, batch)
            return

        def prepared(rows: np.ndarray) -> Made:
            batch, bad = make(rows)
            return Made(rows, batch.meta, bad, engine.prepare(batch))

        jobs = (partial(prepared, part) for part in parts)
        yield from made_ahead(jobs, min(self._pace.threads, len(parts) - 1))

    def close(self) -> None:
        """Let the processes go, where there are any."""
        if self._makers is not None:
            self._makers.close()
        self._makers = None


def size_of(value: Any) -> int:
    """Bytes, roughly: of arrays, in lists, tuples and dicts too."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, Mapping):
        return sum(map(size_of, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(size_of, value))
    return 64
