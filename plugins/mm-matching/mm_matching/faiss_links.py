"""A graph of neighbours over many vectors: faiss's HNSW (arXiv 1603.09320)."""

from __future__ import annotations

from typing import Any

import numpy as np

from mm_core.api import ConfigError

NEIGHBOURS, BUILT_WITH, SEARCHED_WITH = 32, 200, 128
"""Links of a vector, and candidates that are looked at when it is put in and when it is searched
for; the more, the more of the true nearest are found, and the longer it takes."""


def linked(vectors: np.ndarray) -> Any:
    """The graph of these vectors, float32 [N, D].

    Raises:
        ConfigError: faiss is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise ConfigError(
            "kind='faiss' needs faiss, which is not installed",
            plugin="matching",
            value="faiss",
            remedy="pip install mm-matching[faiss], or kind='exact'",
        ) from error
    graph = faiss.IndexHNSWFlat(vectors.shape[1], NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = BUILT_WITH
    graph.add(np.ascontiguousarray(vectors))
    return graph


def followed(graph: Any, queries: np.ndarray, top_k: int) -> tuple[np.ndarray, np.ndarray]:
    """Places and cosines, [Q, k] each, of what the graph finds near each query."""
    k = min(top_k, graph.ntotal)
    graph.hnsw.efSearch = max(SEARCHED_WITH, 2 * k)
    cosines, places = graph.search(np.ascontiguousarray(queries), k)
    return places, cosines
