"""Batches of tensors for training: shuffled, augmented, shared by processes."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from mm_core.api.batch import Batch
from mm_core.api.errors import BadCell, BadCellError, ConfigError
from mm_core.api.nn import tensors
from mm_core.api.processors import Processor
from mm_core.data.batches import BatchMaker, prediction_order
from mm_core.data.encoded import EncodedFrame


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
        self._workers = 0
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
        other = copy.copy(self)
        other._batch_size = batch_size
        return other

    def with_workers(self, workers: int) -> TrainBatches:
        """The same batches, made by so many processes; 0: where they are asked for."""
        other = copy.copy(self)
        other._workers = workers
        return other

    def shard(self, rank: int, world_size: int) -> TrainBatches:
        """Of each batch the share of one of several processes, which train on it together.

        Raises:
            ConfigError: a batch has fewer rows than there are processes.
        """
        other = copy.copy(self)
        other._rank, other._world_size = rank, world_size
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

    def _made(self) -> Iterable[tuple[Batch, list[BadCell]]]:
        epoch = _Epoch(self)
        indices = range(self._start, len(epoch))
        if not self._workers:
            return (epoch[index] for index in indices)
        return DataLoader(
            epoch,
            batch_size=None,
            sampler=indices,
            num_workers=min(self._workers, len(indices)),
            generator=torch.Generator(),  # else it draws from the one that dropout draws from
        )

    @property
    def _cuts(self) -> list[tuple[int, int]]:
        return _cuts(self._frame.n_rows, self._batch_size, at_least=2 * self._world_size)

    def _all_bad(self) -> list[BadCell]:
        """Read every row once more, so that the error can list every cell at fault."""
        scan = BatchMaker(self._processors, self._frame)
        for start, stop in self._cuts:
            scan.make(np.arange(start, stop))
        return scan.bad


class _Epoch(Dataset[tuple[Batch, list[BadCell]]]):
    """The batches of one epoch by index, each with its unreadable cells."""

    def __init__(self, batches: TrainBatches) -> None:
        self._batches = batches
        self._key = (batches._seed, batches._epoch)
        self._order = np.random.default_rng(self._key).permutation(batches._frame.n_rows)
        self._cuts = batches._cuts

    def __len__(self) -> int:
        return len(self._cuts)

    def __getitem__(self, index: int) -> tuple[Batch, list[BadCell]]:
        batches = self._batches
        rows = self._order[slice(*self._cuts[index])][batches._rank :: batches._world_size]
        generator = np.random.default_rng((*self._key, index, batches._rank))
        maker = BatchMaker(batches._processors, batches._frame)
        batch = maker.make(rows, generator if batches._augment else None)
        return tensors(batch), maker.bad


def _cuts(n_rows: int, batch_size: int, at_least: int) -> list[tuple[int, int]]:
    """Start and end of each batch; a last one of fewer rows than ``at_least`` joins the former."""
    cuts = [(start, min(start + batch_size, n_rows)) for start in range(0, n_rows, batch_size)]
    if len(cuts) > 1 and cuts[-1][1] - cuts[-1][0] < at_least:
        (start, _), (_, stop) = cuts[-2:]
        cuts[-2:] = [(start, stop)]
    return cuts
