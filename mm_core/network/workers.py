"""Processes that make batches for a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from mm_core.api.batch import Batch
from mm_core.api.nn import tensors

K = TypeVar("K")
Made = tuple[Batch, Any]
"""A batch, and what goes beside it."""

SHARED_BYTES = 64 * 2**10
"""Arrays from this size on lie in memory that processes share; handing one over takes longer than
copying a smaller one."""


class Workers(Generic[K]):
    """Makes batches in processes of its own, which live until it is closed.

    Args:
        make: key -> a batch of numpy arrays, and what goes beside it; called in the processes.
        count: of processes.
        pinned: whether tensors come in memory that a GPU reads by itself.
    """

    def __init__(self, make: Callable[[K], Made], count: int, pinned: bool) -> None:
        self._keys: list[K] = []
        self._loader: DataLoader[Any] | None = DataLoader(
            _Makes(make),
            batch_size=None,
            sampler=self._keys,
            num_workers=count,
            persistent_workers=True,
            pin_memory=pinned,
            generator=torch.Generator(),  # else it draws from the one that dropout draws from
        )

    def made(self, keys: Sequence[K]) -> Iterator[Made]:
        """The batches of these keys as tensors, in order.

        Raises:
            Exception: what was raised when one of them was made, where it was to come.
        """
        assert self._loader is not None
        self._keys[:] = keys
        for made in self._loader:
            if isinstance(made, _Failed):
                raise made.error
            batch, beside = made
            yield tensors(batch), beside

    def close(self) -> None:
        """Let the processes go."""
        self._loader = None


class _Failed:
    """An error on its way to the process that asked: a loader would tell of it in its own words."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Makes(Dataset[Any], Generic[K]):
    def __init__(self, make: Callable[[K], Made]) -> None:
        self._make = make

    def __getitem__(self, key: K) -> Made | _Failed:
        try:
            batch, beside = self._make(key)
        except Exception as error:  # noqa: BLE001, raised where the batch was to come
            return _Failed(error)
        return batch.map(_shared), beside


def _shared(value: Any) -> Any:
    large = isinstance(value, np.ndarray) and value.nbytes >= SHARED_BYTES
    return torch.from_numpy(value) if large and value.dtype.kind in "biufc" else value
