"""A query against many vectors: exact search beside numpy and faiss."""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from mm_matching.faiss_links import followed, linked
from mm_matching.nearest import nearest

from benchmarks.matching.runs import Run

Array = np.ndarray


def search(asked: argparse.Namespace) -> Iterator[Run]:
    """The product's exact search, numpy as one writes it, and the graph of faiss."""
    run = {"part": "search", "items": asked.items, "width": asked.width}
    yield run, partial(_searched, asked.items, asked.width)


def _searched(items: int, width: int, queries: int = 400) -> dict[str, Any]:
    """Milliseconds of single queries, which each side is asked in turn: what else the machine does
    is shared by all. Memory beyond the vectors, for all queries at once.
    """
    vectors, asked = _vectors(items, width, queries)
    started = time.process_time()
    graph = linked(vectors)
    found: dict[str, Any] = {"faiss": {"build_seconds": round(time.process_time() - started, 1)}}
    true, near = nearest(asked, vectors, 10)[0], followed(graph, asked, 10)[0]
    hits = [len(set(a) & set(b)) / 10 for a, b in zip(true, near, strict=True)]
    found["faiss"]["recall@10"] = round(float(np.mean(hits)), 4)
    sides: dict[str, Callable[[Array], Any]] = {
        "exact": lambda some: nearest(some, vectors, 10),
        "numpy": lambda some: _by_hand(some, vectors),
        "faiss": lambda some: followed(graph, some, 10),
    }
    times: dict[str, list[float]] = {side: [] for side in sides}
    for row in range(-10, queries):  # the first ones only warm up
        for side, ask in sides.items():
            started = time.process_time()
            ask(asked[row : row + 1] if row >= 0 else asked[:1])
            times[side].append(1000 * (time.process_time() - started))
    for side, ask in sides.items():
        ends = np.quantile(times[side][10:], [0.5, 0.99])
        tracemalloc.start()
        ask(asked[:200])
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        measured = dict(zip(("p50_ms", "p99_ms"), ends.round(2).tolist(), strict=True))
        found[side] = found.get(side, {}) | measured | {"peak_mb": round(peak, 1)}
    return found


def _vectors(items: int, width: int, queries: int) -> tuple[Array, Array]:
    """Of length 1. Those of encoders lie in bundles: random ones have no near neighbours to be
    found.
    """
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(items // 100, width)).astype(np.float32)
    made = []
    for rows in (items, queries):
        noise = 0.5 * rng.normal(size=(rows, width)).astype(np.float32)
        one = centres[rng.integers(0, len(centres), rows)] + noise
        made.append(one / np.linalg.norm(one, axis=1, keepdims=True))
    return made[0], made[1]


def _by_hand(asked: Array, vectors: Array) -> Any:
    """What one writes with numpy: all cosines at once."""
    cosines = asked @ vectors.T
    places = np.argpartition(-cosines, 9, axis=1)[:, :10]
    order = np.argsort(-np.take_along_axis(cosines, places, axis=1), axis=1)
    return np.take_along_axis(places, order, axis=1)
