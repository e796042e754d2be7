"""Batches of latents for the core's loop."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mm_core.api import ConfigError
from mm_core.api.nn import Batch

LATENTS = "latents"
"""The input that holds what backbones gave."""


class LatentBatches:
    """Rows that are encoded already (``mm_core.api.Batches``).

    Args:
        whole: all rows as one batch.
        batch_size: rows a batch; a last one of a single row joins the one before.
        seed: of the order.
    """

    def __init__(self, whole: Batch, batch_size: int, seed: int) -> None:
        self._whole, self._batch_size, self._seed = whole, batch_size, seed
        self._rank, self._world_size, self._epoch, self._start = 0, 1, 0, 0

    @property
    def n_rows(self) -> int:
        """Rows of an epoch."""
        return len(self._whole)

    @property
    def sizes(self) -> list[int]:
        """Rows of each batch of an epoch."""
        return [stop - start for start, stop in self._cuts]

    @property
    def _cuts(self) -> list[tuple[int, int]]:
        starts = list(range(0, self.n_rows, self._batch_size))
        if len(starts) > 1 and self.n_rows - starts[-1] < 2 * self._world_size:
            starts.pop()
        return list(zip(starts, [*starts[1:], self.n_rows], strict=True))

    def __len__(self) -> int:
        return len(self._cuts)

    def __iter__(self) -> Iterator[Batch]:
        order = np.random.default_rng((self._seed, self._epoch)).permutation(self.n_rows)
        for start, stop in self._cuts[self._start :]:
            yield _take(self._whole, order[start:stop][self._rank :: self._world_size])

    def in_order(self) -> Iterator[Batch]:
        """All rows once, as they stand."""
        for start, stop in self._cuts:
            yield _take(self._whole, np.arange(start, stop))

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Another order; from that batch on."""
        self._epoch, self._start = epoch, start

    def with_batch_size(self, batch_size: int) -> Self:
        """The same rows in batches of another size."""
        other = copy.copy(self)
        other._batch_size = batch_size
        return other

    def shard(self, rank: int, world_size: int) -> Self:
        """Of each batch the share of one of several processes.

        Raises:
            ConfigError: a batch has fewer rows than there are processes.
        """
        other = copy.copy(self)
        other._rank, other._world_size = rank, world_size
        if min(other.sizes) < world_size:
            raise ConfigError(
                f"batches of {min(other.sizes)} row(s) cannot be shared by {world_size} processes",
                value=self._batch_size,
                remedy=f"set training.batch_size to {world_size} or more",
            )
        return other

    def costliest(self) -> Batch:
        """Any: latents are of one size."""
        return next(self.in_order())


def joined(parts: Sequence[Batch]) -> Batch:
    """Batches as one."""
    first = parts[0]
    return Batch(
        {name: _joined([one.inputs[name] for one in parts]) for name in first.inputs},
        _joined([one.present for one in parts]),
        _joined([one.targets for one in parts]),
        None if first.weight is None else _stacked([one.weight for one in parts]),
    )


def _joined(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: _stacked([one[name] for one in parts]) for name in parts[0]}


def _take(batch: Batch, rows: np.ndarray) -> Batch:
    """Some rows of a batch of tensors, and of lists where rows are ragged."""
    return Batch(
        {name: _rows_of(arrays, rows) for name, arrays in batch.inputs.items()},
        _rows_of(batch.present, rows),
        _rows_of(batch.targets, rows),
        None if batch.weight is None else batch.weight[rows],
    )


def _rows_of(values: Mapping[str, Any], rows: np.ndarray) -> dict[str, Any]:
    return {
        name: value[rows] if isinstance(value, Tensor) else [value[row] for row in rows]
        for name, value in values.items()
    }


def _stacked(values: Sequence[Any]) -> Any:
    """Rows of all; tokens of batches that are shorter than others end with zeros."""
    if not isinstance(values[0], Tensor):
        return [row for part in values for row in part]
    if values[0].ndim > 1 and len({one.shape[1] for one in values}) > 1:
        most = max(one.shape[1] for one in values)
        pads = [(0, 0) * (one.ndim - 2) + (0, most - one.shape[1]) for one in values]
        values = [functional.pad(one, pad) for one, pad in zip(values, pads, strict=True)]
    return torch.cat(list(values))
