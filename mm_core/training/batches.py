"""Batches of tensors for training: shuffled, augmented, shared by processes."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Self

import numpy as np
import torch

from mm_core.api.batch import Batch
from mm_core.api.errors import BadCell, BadCellError, ConfigError
from mm_core.api.nn import tensors
from mm_core.api.processors import Processor
from mm_core.data.ahead import made_ahead
from mm_core.data.batches import BatchMaker, prediction_order
from mm_core.data.encoded import EncodedFrame
from mm_core.network.workers import Workers


class TrainBatches:
    """Shuffled batches of one epoch. The same seed and epoch give the same batches.

    Each batch draws from a generator of its own, so that an epoch can be entered at any batch, and
    processes can make batches side by side. The last batch takes up rows left over that are too
    few: batch normalisation cannot train on one row.

    Args:
        processors: by input name.
        frame: encoded training rows with targets.
        batch_size: rows a batch.
        seed: of order and augmentation.
        augment: whether processors may augment.

    Attributes:
        bad: cells found unreadable so far, masked.

    Raises:
        BadCellError: while iterating, when a cell cannot be read; lists all such cells. Not raised
            after :meth:`mask_bad`.
    """

    def __init__(
        self,
        processors: Mapping[str, Processor],
        frame: EncodedFrame,
        batch_size: int,
        seed: int,
        augment: bool,
    ) -> None:
        self._processors = processors
        self._frame = frame
        self._batch_size = batch_size
        self._seed = seed
        self._augment = augment
        self._workers, self._threads = 0, 0
        self._processes: Workers[_Key] | None = None
        self._rank, self._world_size = 0, 1
        self._epoch, self._start = 0, 0
        self._masking = False
        self._bad: dict[BadCell, None] = {}

    def mask_bad(self) -> None:
        """Go on where a cell cannot be read."""
        self._masking = True

    @property
    def bad(self) -> list[BadCell]:
        """Cells found unreadable so far, each once."""
        return list(self._bad)

    @property
    def n_rows(self) -> int:
        """Training rows, over all processes."""
        return self._frame.n_rows

    @property
    def sizes(self) -> list[int]:
        """Rows of each batch of an epoch, the shares of all processes together."""
        return [stop - start for start, stop in self._cuts]

    def with_batch_size(self, batch_size: int) -> TrainBatches:
        """The same rows in batches of another size."""
        return self._with(_batch_size=batch_size)

    def with_workers(self, workers: int, threads: int = 0) -> TrainBatches:
        """The same batches, made by others meanwhile.

        Args:
            workers: processes, which live as long as these batches; see :meth:`close`.
            threads: where there are no such processes: threads that make the next batches; 0: each
                is made where it is asked for.
        """
        return self._with(_workers=workers, _threads=threads)

    def shard(self, rank: int, world_size: int) -> TrainBatches:
        """Of each batch the share of one of several processes, which train on it together.

        Raises:
            ConfigError: a batch has fewer rows than there are processes.
        """
        other = self._with(_rank=rank, _world_size=world_size)
        if min(other.sizes) < world_size:
            raise ConfigError(
                f"batches of {min(other.sizes)} row(s) cannot be shared by {world_size} processes",
                value=self._batch_size,
                remedy=f"set training.batch_size to {world_size} or more (there are "
                f"{self.n_rows} training rows), or training.devices to fewer",
            )
        return other

    def costliest(self) -> Batch:
        """The rows that cost most, as one batch, without augmentation."""
        maker = BatchMaker(self._processors, self._frame)
        return tensors(maker.make(prediction_order(self._frame, self._batch_size)[0]))

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Reshuffle and re-augment for this epoch; iterate from batch ``start`` on."""
        self._epoch, self._start = epoch, start

    def __len__(self) -> int:
        return len(self._cuts)

    def __iter__(self) -> Iterator[Batch]:
        for batch, bad in self._made():
            self._bad.update(dict.fromkeys(bad))
            if bad and not self._masking:
                raise BadCellError(self._all_bad())
            yield batch

    def close(self) -> None:
        """Let the processes go that make batches, where there are any."""
        if self._processes is not None:
            self._processes.close()
        self._processes = None

    def _with(self, **changed: object) -> Self:
        other = copy.copy(self)
        other._processes = None
        vars(other).update(changed)
        return other

    def _made(self) -> Iterable[_Item]:
        pinned = torch.cuda.is_available()
        wanted = [(self._epoch, at) for at in range(self._start, len(self))]
        if self._workers:
            if self._processes is None:
                count = min(self._workers, len(self))
                self._processes = Workers(_Epochs(self).made, count, pinned)
            return self._processes.made(wanted)
        make = partial(_made_of, _Epochs(self), pinned and bool(self._threads))
        return made_ahead((partial(make, key) for key in wanted), self._threads)

    @property
    def _cuts(self) -> list[tuple[int, int]]:
        return _cuts(self._frame.n_rows, self._batch_size, at_least=2 * self._world_size)

    def _all_bad(self) -> list[BadCell]:
        """Read every row once more, so that the error can list every cell at fault."""
        scan = BatchMaker(self._processors, self._frame)
        for start, stop in self._cuts:
            scan.make(np.arange(start, stop))
        return scan.bad


_Item = tuple[Batch, list[BadCell]]
"""A batch with its unreadable cells."""

_Key = tuple[int, int]
"""An epoch, and which of its batches."""


class _Epochs:
    """The batches of all epochs."""

    def __init__(self, batches: TrainBatches) -> None:
        self._processors, self._frame = batches._processors, batches._frame
        self._seed, self._augment = batches._seed, batches._augment
        self._cuts = batches._cuts
        self._rank, self._world_size = batches._rank, batches._world_size
        self._shuffled: tuple[int, np.ndarray] | None = None

    def made(self, key: _Key) -> _Item:
        """That batch, of numpy arrays."""
        epoch, index = key
        rows = self._order(epoch)[slice(*self._cuts[index])][self._rank :: self._world_size]
        generator = np.random.default_rng((self._seed, epoch, index, self._rank))
        maker = BatchMaker(self._processors, self._frame)
        return maker.make(rows, generator if self._augment else None), maker.bad

    def _order(self, epoch: int) -> np.ndarray:
        """long [n_rows], the rows as they come in that epoch."""
        known = self._shuffled
        if known is None or known[0] != epoch:
            shuffle = np.random.default_rng((self._seed, epoch))
            known = self._shuffled = epoch, shuffle.permutation(self._frame.n_rows)
        return known[1]


def _made_of(epochs: _Epochs, pinned: bool, key: _Key) -> _Item:
    made, bad = epochs.made(key)
    batch = tensors(made)
    return batch.pin_memory() if pinned else batch, bad


def _cuts(n_rows: int, batch_size: int, at_least: int) -> list[tuple[int, int]]:
    """Start and end of each batch; a last one of fewer rows than ``at_least`` joins the former."""
    cuts = [(start, min(start + batch_size, n_rows)) for start in range(0, n_rows, batch_size)]
    if len(cuts) > 1 and cuts[-1][1] - cuts[-1][0] < at_least:
        (start, _), (_, stop) = cuts[-2:]
        cuts[-2:] = [(start, stop)]
    return cuts
