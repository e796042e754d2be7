"""Where the right responses stand among all, for each query. numpy only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mm_core.api import MetricError

Array = np.ndarray

BLOCK_BYTES = 64 * 2**20
"""Cosines that are in memory at a time."""

NEAR = 1e-6
"""Cosines as near as this are equal: the same text is not read the same to the last bit."""


@dataclass(frozen=True)
class Ranking:
    """Places of all right responses; M of them, those of a query together.

    Attributes:
        query: int [M], which query; rising.
        gain: float [M], how right, above 0.
        nearer: int [M], responses that are nearer to the query.
        tied: int [M], responses as near, itself among them.
        pool: responses in all.
        queries: queries that have a right response.
    """

    query: Array
    gain: Array
    nearer: Array
    tied: Array
    pool: int
    queries: int

    def per_query(self, values: Array) -> Array:
        """float64 [queries], sums of values [M]."""
        return np.bincount(self.query, weights=values, minlength=self.queries)

    def hits(self, k: int) -> Array:
        """float64 [queries]: right responses among the first k, ties broken by chance."""
        return self.per_query(np.clip((k - self.nearer) / self.tied, 0.0, 1.0))

    def right(self) -> Array:
        """int [queries]: right responses in all."""
        return np.bincount(self.query, minlength=self.queries)

    def groups(self) -> Iterator[tuple[int, Array, Array, Array]]:
        """Query, and of its right responses: nearer [G], tied [G], how many are tied [G]."""
        starts = np.flatnonzero(np.diff(self.query, prepend=-1))
        for start, stop in zip(starts, [*starts[1:], len(self.query)], strict=True):
            pairs = np.stack([self.nearer[start:stop], self.tied[start:stop]], axis=1)
            found, counts = np.unique(pairs, axis=0, return_counts=True)
            yield int(self.query[start]), found[:, 0], found[:, 1], counts


_last: dict[bytes, Ranking] = {}
"""The ranking that was asked for last, by what it is of."""


def ranking(rows: Array, relevance: Array | None) -> Ranking:
    """The places of right responses among all responses of these rows, each once.

    Several scores of the same rows are of one ranking, which is kept until another is asked for:
    each score is a metric of its own and knows of no other.

    Args:
        rows: records as :class:`~mm_matching.task.Similarity` gives them. Rows with the same key
            hold the same query, or response. One with a response alone is a candidate; one
            without a response is left out.
        relevance: float [N], how right a row's response is for its query; None: all are.

    Raises:
        MetricError: no query has a right response.
    """
    relevance = np.ones(len(rows)) if relevance is None else np.asarray(relevance, np.float64)
    digest = hashlib.sha256(np.ascontiguousarray(rows).view(np.uint8).data)
    digest.update(np.ascontiguousarray(relevance).data)
    key = digest.digest()
    found = _last.get(key) or _ranked(rows, relevance)
    _last.clear()
    _last[key] = found
    return found


def _ranked(rows: Array, relevance: Array) -> Ranking:
    there = rows["response"].any(axis=1)
    rows, relevance = rows[there], relevance[there]
    relevance = np.where(rows["query"].any(axis=1), relevance, 0.0)
    _, first_query, query = np.unique(rows["query_key"], return_index=True, return_inverse=True)
    _, first, response = np.unique(rows["response_key"], return_index=True, return_inverse=True)
    pairs = np.stack([query, response], axis=1)[relevance > 0]
    if len(pairs) == 0:
        raise MetricError(
            "there are no rows with both sides, and a right one, to rank",
            remedy="give rows that have both sides, some of which belong together",
        )
    pairs, where = np.unique(pairs, axis=0, return_inverse=True)
    gain = np.zeros(len(pairs))
    np.maximum.at(gain, where.ravel(), relevance[relevance > 0])
    asked, own = np.unique(pairs[:, 0], return_inverse=True)
    queries = rows["query"][first_query][asked]
    nearer, tied = _places(queries, rows["response"][first], own, pairs[:, 1])
    return Ranking(own, gain, nearer, tied, len(first), len(asked))


def _places(queries: Array, responses: Array, own: Array, right: Array) -> tuple[Array, Array]:
    """How many responses are nearer to ``queries[own]`` than ``responses[right]``, or as near."""
    nearer, tied = np.zeros(len(own), np.int64), np.ones(len(own), np.int64)
    block = max(1, BLOCK_BYTES // (4 * max(1, len(responses))))
    for start in range(0, len(queries), block):
        cosines = queries[start : start + block] @ responses.T
        first, last = np.searchsorted(own, [start, start + block])
        for at in range(first, last, block):
            some = slice(at, min(at + block, last))
            lines = cosines[own[some] - start]
            here = lines[np.arange(len(lines)), right[some], None]
            nearer[some] = (lines > here + NEAR).sum(axis=1)
            tied[some] = (np.abs(lines - here) <= NEAR).sum(axis=1)
    return nearer, tied
