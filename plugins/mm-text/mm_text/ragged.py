"""Rows of different lengths in one flat array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Ragged:
    """N rows of ints (or pairs of them), back to back; indexed by row like an array.

    Attributes:
        flat: int32 [T] or [T, 2], all rows one after the other.
        offsets: int64 [N + 1]; row i is ``flat[offsets[i]:offsets[i + 1]]``.
    """

    flat: np.ndarray
    offsets: np.ndarray

    @classmethod
    def from_lengths(cls, flat: np.ndarray, lengths: np.ndarray) -> Self:
        """Cut ``flat`` into rows of these lengths."""
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return cls(flat, offsets)

    @classmethod
    def from_lists(cls, rows: Sequence[Sequence[int]]) -> Self:
        """One row per list."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        flat = np.fromiter(chain.from_iterable(rows), np.int32, int(lengths.sum()))
        return cls.from_lengths(flat, lengths)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def starts(self) -> np.ndarray:
        """int64 [N], where each row begins in ``flat``."""
        return self.offsets[:-1]

    @property
    def lengths(self) -> np.ndarray:
        """int64 [N]."""
        return np.diff(self.offsets)

    def __getitem__(self, rows: np.ndarray) -> Ragged:
        """The rows at these positions."""
        lengths = self.lengths[rows]
        return Ragged.from_lengths(gather(self.flat, self.starts[rows], lengths), lengths)

    def spread(self, rows: np.ndarray, count: int) -> Ragged:
        """``count`` rows: ours at the rising positions ``rows``, all others empty."""
        lengths = np.zeros(count, np.int64)
        lengths[rows] = self.lengths
        return Ragged.from_lengths(self.flat, lengths)

    def split(self) -> list[np.ndarray]:
        """Each row, alone."""
        return np.split(self.flat, self.offsets[1:-1])

    def padded(self, shape: tuple[int, ...], fill: int) -> np.ndarray:
        """int64 [N, width] of this shape, filled up on the right."""
        result = np.full(shape, fill, np.int64)
        result[np.arange(shape[1]) < self.lengths[:, None]] = self.flat
        return result


def concat(parts: Sequence[Ragged]) -> Ragged:
    """The rows of all parts, in order."""
    flat = np.concatenate([np.zeros(0, np.int32), *(part.flat for part in parts)])
    lengths = np.concatenate([np.zeros(0, np.int64), *(part.lengths for part in parts)])
    return Ragged.from_lengths(flat, lengths)


def gather(flat: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Pieces ``flat[start : start + length]``, one after the other."""
    shift = starts - (np.cumsum(lengths) - lengths)
    pieces: np.ndarray = flat[np.arange(int(lengths.sum())) + np.repeat(shift, lengths)]
    return pieces


def within(lengths: np.ndarray) -> np.ndarray:
    """bool [N, longest row]; True where a row still has an entry."""
    mask: np.ndarray = np.arange(int(lengths.max(initial=0))) < lengths[:, None]
    return mask
