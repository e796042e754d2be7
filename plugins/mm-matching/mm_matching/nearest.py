"""The nearest of many vectors, exactly, a block of queries at a time. numpy only."""

from __future__ import annotations

import numpy as np

from mm_core.api import ConfigError

Array = np.ndarray

BLOCK_BYTES = 16 * 2**20
"""Cosines that are in memory at a time."""


def check_top_k(top_k: object) -> int:
    """It, where it is a number of items.

    Raises:
        ConfigError: it is none.
    """
    if isinstance(top_k, bool) or not isinstance(top_k, int | np.integer) or top_k < 1:
        raise ConfigError(f"top_k={top_k!r}", value=top_k, remedy="give a whole number above 0")
    return int(top_k)


def nearest(queries: Array, items: Array, top_k: int) -> tuple[Array, Array]:
    """Places of the nearest items of each query, the nearest first, and their cosines.

    Args:
        queries: float32 [Q, D], of length 1.
        items: float32 [N, D], likewise.
        top_k: how many; all, where there are fewer.

    Returns:
        int64 [Q, k] and float32 [Q, k]; of items that are as near, the first in order comes first.
    """
    k = min(top_k, len(items))
    places = np.zeros((len(queries), k), np.int64)
    cosines = np.zeros((len(queries), k), np.float32)
    block = max(1, BLOCK_BYTES // (4 * max(1, len(items))))
    for start in range(0, len(queries), block):
        stop = min(start + block, len(queries))
        found = queries[start:stop] @ items.T
        places[start:stop], cosines[start:stop] = _best(found, k)
    return places, cosines


def pairs_above(vectors: Array, threshold: float) -> tuple[Array, Array, Array]:
    """Pairs of rows i < j whose cosine is at least ``threshold``: int64 [P] twice, float32 [P]."""
    firsts, seconds, cosines = [], [], []
    block = max(1, BLOCK_BYTES // (4 * max(1, len(vectors))))
    for start in range(0, len(vectors), block):
        stop = min(start + block, len(vectors))
        found = vectors[start:stop] @ vectors[start:].T
        row, column = np.nonzero(found >= threshold)
        later = column > row
        row, column = row[later], column[later]
        firsts.append(row + start)
        seconds.append(column + start)
        cosines.append(found[row, column])
    none = np.zeros(0, np.int64)
    return (
        np.concatenate([none, *firsts]),
        np.concatenate([none, *seconds]),
        np.concatenate([np.zeros(0, np.float32), *cosines]),
    )


def _best(cosines: Array, k: int) -> tuple[Array, Array]:
    """The k greatest of each line, in order; of equal ones the first."""
    rows = np.arange(len(cosines))[:, None]
    if k == 0:
        return np.zeros((len(cosines), 0), np.int64), np.zeros((len(cosines), 0), np.float32)
    if k < cosines.shape[1]:
        some = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        # Of items as near as the last one, partition takes any: those that come first are meant.
        last = cosines[rows, some].min(axis=1)
        for line in np.flatnonzero((cosines >= last[:, None]).sum(axis=1) > k):
            some[line] = np.argsort(-cosines[line], kind="stable")[:k]
        some = np.sort(some, axis=1)
    else:
        some = np.broadcast_to(np.arange(k), cosines.shape)
    order = np.argsort(-cosines[rows, some], axis=1, kind="stable")
    places = some[rows, order]
    return places, cosines[rows, places]
