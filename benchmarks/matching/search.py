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
Ask = Callable[[Array], Any]


def search(asked: argparse.Namespace) -> Iterator[Run]:
    """The product's exact search and numpy as one writes it, in turn; and the graph of faiss."""
    run = {"part": "search", "items": asked.items, "width": asked.width}
    yield run | {"side": "exact and numpy"}, partial(_compared, asked.items, asked.width)
    yield run | {"side": "faiss"}, partial(_followed, asked.items, asked.width)


def _compared(items: int, width: int) -> dict[str, Any]:
    """A query at a time, each asked of both sides in turn: others on the machine slow both."""
    vectors, asked = _vectors(items, width, 400)
    sides: dict[str, Ask] = {
        "exact": lambda some: nearest(some, vectors, 10),
        "numpy": lambda some: _by_hand(some, vectors),
    }
    times = _milliseconds(sides, asked)
    found = {side: _ends(times[side]) | _peak(ask, asked[:200]) for side, ask in sides.items()}
    ratio = found["exact"]["p99_ms"] / found["numpy"]["p99_ms"]
    return {**found, "p99_ratio": round(ratio, 3)}


def _followed(items: int, width: int) -> dict[str, Any]:
    """How many of the true neighbours it finds, and how fast."""
    vectors, asked = _vectors(items, width, 200)
    started = time.process_time()
    graph = linked(vectors)
    built = round(time.process_time() - started, 1)
    true, near = nearest(asked, vectors, 10)[0], followed(graph, asked, 10)[0]
    hits = [len(set(a) & set(b)) / 10 for a, b in zip(true, near, strict=True)]
    ask: Ask = lambda some: followed(graph, some, 10)  # noqa: E731
    return {
        "build_seconds": built,
        "recall@10": round(float(np.mean(hits)), 4),
        **_ends(_milliseconds({"faiss": ask}, asked)["faiss"]),
        **_peak(ask, asked),
    }


def _milliseconds(sides: dict[str, Ask], asked: Array) -> dict[str, list[float]]:
    """Processor time of each query, after some to warm up."""
    for ask in sides.values():
        for row in range(5):
            ask(asked[row : row + 1])
    times: dict[str, list[float]] = {side: [] for side in sides}
    for row in range(len(asked)):
        for side, ask in list(sides.items())[:: 1 - 2 * (row % 2)]:
            started = time.process_time()
            ask(asked[row : row + 1])
            times[side].append(1000 * (time.process_time() - started))
    return times


def _ends(times: list[float]) -> dict[str, float]:
    return {f"p{part}_ms": round(float(np.quantile(times, part / 100)), 2) for part in (50, 99)}


def _peak(ask: Ask, asked: Array) -> dict[str, float]:
    """Memory beyond the vectors, for all of these queries at once."""
    tracemalloc.start()
    ask(asked)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return {"peak_mb": round(peak, 1)}


def _vectors(items: int, width: int, queries: int) -> tuple[Array, Array]:
    """Of length 1. Those of encoders lie in bundles: random ones have no near neighbours to be
    found.
    """
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(items // 100, width))
    made = []
    for rows in (items, queries):
        one = centres[rng.integers(0, len(centres), rows)] + 0.5 * rng.normal(size=(rows, width))
        made.append((one / np.linalg.norm(one, axis=1, keepdims=True)).astype(np.float32))
    return made[0], made[1]


def _by_hand(asked: Array, vectors: Array) -> Any:
    """What one writes with numpy: all cosines at once."""
    cosines = asked @ vectors.T
    places = np.argpartition(-cosines, 9, axis=1)[:, :10]
    order = np.argsort(-np.take_along_axis(cosines, places, axis=1), axis=1)
    return np.take_along_axis(places, order, axis=1)
