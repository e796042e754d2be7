"""``predictor.search``: the items nearest to each query. Light until it is called."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from mm_core.api import ColumnError, ConfigError, NotFittedError, Table
from mm_core.api.tools import MultiModalPredictor, model_of, read_rows, registry_of

CHUNK = 1024
"""Queries compared with all items at a time."""


def search(
    predictor: MultiModalPredictor, queries: Any, items: Any = None, top_k: int = 3
) -> pd.DataFrame:
    """The items nearest to each query, the nearest first.

    Args:
        predictor: of a task of this plugin.
        queries: rows with the columns of the role ``query``.
        items: rows with the columns of ``response``; None: the responses of ``queries``.
        top_k: of them, for each query; all, where there are fewer.

    Returns:
        ``query`` and ``item``, labels of the rows in the indexes of what was given; ``rank`` from
        1; ``similarity``, the cosine. A query with nothing in it finds nothing, and an item with
        nothing in it is not found.

    Raises:
        ConfigError: ``top_k`` is no number of items.
        ColumnError: a table without the columns of its side.
    """
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        raise ConfigError(f"top_k={top_k!r}", value=top_k, remedy="give a whole number above 0")
    registry = registry_of(predictor)
    asked = read_rows(queries, registry)
    found = asked if items is None else read_rows(items, registry)
    _need_model(predictor, asked.table, found.table)
    query = _vectors(predictor, asked.table, "query")
    item = _vectors(predictor, found.table, "response")
    rows = _nearest(query, item, top_k)
    rows["query"], rows["item"] = asked.index[rows["query"]], found.index[rows["item"]]
    return rows


def _need_model(predictor: MultiModalPredictor, *tables: Table) -> None:
    """A task that needs no fit plans on rows that hold both sides, here one below the other."""
    try:
        model_of(predictor)
    except NotFittedError:
        if len({table.folder for table in tables}) > 1:
            raise
        frames = {id(table): table.frame for table in tables}.values()
        predictor.predict(Table(pd.concat(frames, ignore_index=True), tables[0].folder))


def _vectors(predictor: MultiModalPredictor, table: Table, side: str) -> np.ndarray:
    """float32 [N, D]. The other side is left out: it would be read, and cost, for nothing."""
    inputs = model_of(predictor).recipe.inputs.values()
    own = [column for part in inputs if part.role == side for column in part.columns]
    others = [column for part in inputs if part.role != side for column in part.columns]
    if not set(own) & set(table.frame.columns):
        raise ColumnError(
            f"there is no column of the role {side} in the data",
            column=own[0],
            remedy=f"call it as at fit: {', '.join(own)}",
        )
    blank = table.frame.assign(**dict.fromkeys(others, None))
    vectors = predictor.extract_embedding(Table(blank, table.folder), of=side)
    return np.asarray(vectors)


def _nearest(query: np.ndarray, item: np.ndarray, top_k: int) -> pd.DataFrame:
    """Positions of queries and items, ranks, cosines; of equal ones the first item comes first."""
    there = np.flatnonzero(item.any(axis=1))
    k = min(top_k, len(there))
    parts = []
    for start in range(0, len(query), CHUNK):
        cosines = query[start : start + CHUNK] @ item[there].T
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        part = pd.DataFrame(
            {
                "query": np.repeat(np.arange(start, start + len(cosines)), k),
                "rank": np.tile(np.arange(1, k + 1), len(cosines)),
                "item": there[best].ravel(),
                "similarity": np.take_along_axis(cosines, best, axis=1).ravel(),
            }
        )
        parts.append(part.iloc[np.flatnonzero(np.any(query[part["query"]], axis=1))])
    return pd.concat(parts, ignore_index=True)
