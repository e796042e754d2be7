"""Methods of predictors of pairs: vectors of a side, an index of them, what is nearest."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api import ArtifactError, ColumnError, ConfigError, MMWarning, NotFittedError, Table
from mm_core.api.tools import MultiModalPredictor, Rows, model_of, read_rows, registry_of
from mm_matching.index import HEAD, Filter, Index, fingerprint
from mm_matching.nearest import check_top_k, nearest, pairs_above

SIDES = ("query", "response")


def build_index(
    predictor: MultiModalPredictor,
    items: Any,
    ids: Hashable | Sequence[Hashable] | None = None,
    keep: Sequence[str] | None = None,
    side: str = "response",
    kind: str = "exact",
) -> Index:
    """An index of items, to be searched again and again.

    Args:
        predictor: of a task of pairs.
        items: rows with the columns of the side.
        ids: name of the column that says who they are, or an id for each; None: the index of the
            rows.
        keep: columns to show beside what is found, and to filter by; None: all.
        side: whose encoder reads them.
        kind: ``"exact"``: all are compared; ``"faiss"``: a graph of neighbours, for some hundred
            thousands and more (``pip install mm-matching[faiss]``).

    Raises:
        ColumnError: there is no column of the side.
        DataError: an id stands there twice.
        ConfigError: a side or kind that there is not.
    """
    _check_side(side)
    if kind not in ("exact", "faiss"):
        raise ConfigError(f"kind={kind!r}", value=kind, remedy="use 'exact' or 'faiss'")
    vectors, named, columns = _items(predictor, items, ids, keep, side)
    index = Index(vectors, named, columns, side, fingerprint(model_of(predictor)))
    if kind == "faiss":
        from mm_matching.faiss_links import linked

        index.links = linked(vectors)
    return index


def add_to_index(
    predictor: MultiModalPredictor,
    index: Index,
    items: Any,
    ids: Hashable | Sequence[Hashable] | None = None,
) -> Index:
    """Take more items into an index of this model, and give it back.

    Raises:
        ArtifactError: the index is of another model.
        DataError: an id is there already.
    """
    _check_model(predictor, index)
    keep = [str(name) for name in index.columns]
    vectors, named, columns = _items(predictor, items, ids, keep, index.side)
    index.add(vectors, named, columns)
    return index


def load_index(predictor: MultiModalPredictor, path: str | Path) -> Index:
    """A saved index of this model.

    Raises:
        ArtifactError: it is none, or damaged, or of another model.
    """
    return Index.read(path, fingerprint(model_of(predictor)))


def search(
    predictor: MultiModalPredictor,
    queries: Any,
    items: Any = None,
    top_k: int = 10,
    filter: Filter | None = None,
    side: str = "query",
) -> pd.DataFrame:
    """The items nearest to each query, the nearest first.

    Args:
        predictor: of a task of pairs.
        queries: rows with the columns of the query's side.
        items: an index, the folder of one, or rows with the columns of the response; None: the
            responses of ``queries``.
        top_k: of them, for each query; all, where there are fewer.
        filter: which items count: column -> a value, or several of them; or a function (frame) ->
            bool of each.
        side: whose encoder reads the queries: ``"response"`` finds what is like an item.

    Returns:
        ``query`` and ``item``, labels of the rows, or ids; ``rank`` from 1; ``similarity``, the
        cosine; columns of the items. A query with nothing in it finds nothing, and an item with
        nothing in it is not found.

    Raises:
        ConfigError: ``top_k`` is no number of items.
        ColumnError: rows without the columns of their side.
        ArtifactError: the index is of another model.
    """
    top_k = check_top_k(top_k)
    _check_side(side)
    asked = read_rows(queries, registry_of(predictor))
    index = _searched(predictor, asked, items)
    vectors = side_vectors(predictor, asked.table, side)
    return _found(vectors, asked.index, index, top_k, filter)


def duplicates(
    predictor: MultiModalPredictor,
    data: Any,
    threshold: float = 0.95,
    side: str = "query",
) -> pd.DataFrame:
    """Pairs of rows that are near doubles of each other in one side, the nearest first.

    Args:
        predictor: of a task of pairs.
        data: rows with the columns of the side.
        threshold: cosine from which on two rows are doubles.
        side: which.

    Returns:
        ``first`` and ``second``, labels of the rows, in order; ``similarity``; ``group``, a number
        that rows share which are joined by such pairs.

    Raises:
        ConfigError: the threshold is no cosine.
    """
    if not isinstance(threshold, int | float) or not -1 <= threshold <= 1:
        raise ConfigError(
            f"threshold={threshold!r}", value=threshold, remedy="give a cosine from -1 to 1"
        )
    _check_side(side)
    rows = read_rows(data, registry_of(predictor))
    _need_model(predictor, rows.table)
    vectors = side_vectors(predictor, rows.table, side)
    there = np.flatnonzero(vectors.any(axis=1))
    first, second, cosine = pairs_above(vectors[there], threshold)
    first, second = there[first], there[second]
    frame = pd.DataFrame(
        {
            "first": rows.index[first],
            "second": rows.index[second],
            "similarity": cosine,
            "group": _groups(len(vectors), first, second)[first],
        }
    )
    order = np.argsort(-cosine, kind="stable")
    return frame.iloc[order].reset_index(drop=True)


def mine_negatives(
    predictor: MultiModalPredictor,
    data: Any,
    per_query: int = 1,
    skip: float = 0.95,
    column: str = "negative",
) -> pd.DataFrame:
    """Training rows with the hardest wrong response of each beside it, found by the model itself.

    A response counts as wrong where it stands in no row of the same query; one that is nearer to
    the query than ``skip`` times the nearness of its own is left out: it may well be right
    (arXiv 2407.15831).

    Args:
        predictor: of a task of pairs with one column a side.
        data: pairs that belong together.
        per_query: wrong responses, each in a row of its own.
        skip: share of the own response's cosine above which another one may be right.
        column: name of the new column, to be named as ``roles={"negative": ...}``.

    Raises:
        ConfigError: a side has several columns.
    """
    per_query = check_top_k(per_query)
    rows = read_rows(data, registry_of(predictor))
    _need_model(predictor, rows.table)
    query, response = (_single(predictor, side) for side in SIDES)
    asked = side_vectors(predictor, rows.table, "query")
    given = side_vectors(predictor, rows.table, "response")
    frame = rows.table.frame
    known = frame.groupby(query)[response].agg(set)
    own = (asked * given).sum(axis=1)
    firsts = np.flatnonzero(~frame[response].duplicated().to_numpy() & given.any(axis=1))
    wide = per_query + 50
    places, cosines = nearest(asked, given[firsts], wide)
    taken: list[int] = []
    wrong: list[int] = []
    for row in np.flatnonzero(asked.any(axis=1)).tolist():
        right = known.get(frame[query].iloc[row], set())
        hard = [
            int(firsts[place])
            for place, cosine in zip(places[row], cosines[row], strict=True)
            if cosine <= skip * own[row] and frame[response].iloc[firsts[place]] not in right
        ]
        taken += [row] * len(hard[:per_query])
        wrong += hard[:per_query]
    found = frame.iloc[taken].set_axis(rows.index[taken], axis=0)
    return found.assign(**{column: frame[response].iloc[wrong].to_numpy()})


# ---- inside


def side_vectors(predictor: MultiModalPredictor, table: Table, side: str) -> np.ndarray:
    """float32 [N, D]. The other sides are blank: they would be read, and cost, for nothing.

    Raises:
        ColumnError: no column of the side is there.
    """
    own = _columns(predictor, side)
    others = [one for name in (*SIDES, "negative") for one in _columns(predictor, name)]
    if not set(own) & set(table.frame.columns):
        raise ColumnError(
            f"there is no column of the role {side} in the data",
            column=own[0],
            remedy=f"call it as at fit: {', '.join(own)}",
        )
    blank = table.frame[[name for name in table.frame if name in own]].assign(
        **dict.fromkeys((one for one in others if one not in own), None)
    )
    found = predictor.extract_embedding(replace(table, frame=blank), of=side)
    return np.asarray(found, dtype=np.float32)


def _columns(predictor: MultiModalPredictor, side: str) -> list[str]:
    inputs = model_of(predictor).recipe.inputs.values()
    return [column for part in inputs if part.role == side for column in part.columns]


def _single(predictor: MultiModalPredictor, side: str) -> str:
    columns = _columns(predictor, side)
    if len(columns) != 1:
        raise ConfigError(
            f"the {side} is of several columns: {', '.join(columns)}",
            value=columns,
            remedy="mine where each side is one column",
        )
    return columns[0]


def _items(
    predictor: MultiModalPredictor,
    items: Any,
    ids: Hashable | Sequence[Hashable] | None,
    keep: Sequence[str] | None,
    side: str,
) -> tuple[np.ndarray, pd.Index, pd.DataFrame]:
    """Vectors, ids and columns of the items that hold something; others are told."""
    rows = read_rows(items, registry_of(predictor))
    _need_model(predictor, rows.table)
    frame = rows.table.frame
    named = _ids(rows, ids)
    kept = _plain(frame if keep is None else frame.reindex(columns=list(keep)), keep is None)
    vectors = side_vectors(predictor, rows.table, side)
    there = np.flatnonzero(vectors.any(axis=1))
    if len(there) < len(vectors):
        gone = named[np.flatnonzero(~vectors.any(axis=1))]
        warnings.warn(
            f"{len(gone)} of {len(vectors)} items hold nothing to compare, and are not in the "
            f"index: {', '.join(map(repr, gone[:5]))}",
            MMWarning,
            stacklevel=3,
        )
    return vectors[there], named[there], kept.iloc[there].reset_index(drop=True)


def _ids(rows: Rows, ids: Hashable | Sequence[Hashable] | None) -> pd.Index:
    if ids is None:
        return rows.index
    if isinstance(ids, str):
        if ids not in rows.table.frame:
            raise ColumnError(
                f"there is no column {ids!r} of ids",
                column=ids,
                remedy=f"columns: {', '.join(map(str, rows.table.frame.columns))}",
            )
        return pd.Index(rows.table.frame[ids])
    named = pd.Index(list(ids))  # type: ignore[call-overload]
    if len(named) != len(rows.table):
        raise ConfigError(
            f"{len(named)} ids for {len(rows.table)} items",
            value=len(named),
            remedy="give one for each",
        )
    return named


def _plain(frame: pd.DataFrame, all_of_them: bool) -> pd.DataFrame:
    """Columns that a file can hold as they are; pictures as bytes, arrays and lists are no such."""
    if not all_of_them:
        return frame
    bulky = (bytes, bytearray, list, dict, np.ndarray)
    kept = [name for name in frame if not frame[name].map(lambda one: isinstance(one, bulky)).any()]
    return frame[kept]


def _searched(predictor: MultiModalPredictor, asked: Rows, items: Any) -> Index:
    """The index that is given, that of a folder, or one of rows for the moment."""
    if isinstance(items, Index):
        _need_model(predictor, asked.table)
        _check_model(predictor, items)
        return items
    if isinstance(items, str | Path) and (Path(items) / HEAD).is_file():
        _need_model(predictor, asked.table)
        return load_index(predictor, items)
    rows = asked if items is None else read_rows(items, registry_of(predictor))
    _need_model(predictor, asked.table, rows.table)
    return _index_of(predictor, rows)


def _index_of(predictor: MultiModalPredictor, rows: Rows) -> Index:
    """Of the moment: items by their place, so that labels may stand there twice. It meets no other
    model, so the weights are not read through for a fingerprint.
    """
    vectors = side_vectors(predictor, rows.table, "response")
    there = np.flatnonzero(vectors.any(axis=1))
    index = Index(
        vectors[there],
        pd.RangeIndex(len(there)),
        rows.table.frame.iloc[there].reset_index(drop=True)[[]],
        side="response",
        model="",
    )
    index.ids = rows.index[there]
    return index


def _found(
    vectors: np.ndarray, labels: pd.Index, index: Index, top_k: int, filter: Filter | None
) -> pd.DataFrame:
    there = np.flatnonzero(vectors.any(axis=1))
    places, cosines = index.nearest(vectors[there], top_k, filter)
    k = places.shape[1]
    frame = pd.DataFrame(
        {
            "query": labels[np.repeat(there, k)],
            "rank": np.tile(np.arange(1, k + 1), len(there)),
            "item": index.ids[places.ravel()],
            "similarity": cosines.ravel(),
        }
    )
    shown = index.columns.iloc[places.ravel()].reset_index(drop=True)
    shown = shown.rename(columns={name: f"item_{name}" for name in shown if name in frame})
    return pd.concat([frame, shown], axis=1)


def _groups(rows: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """int [N]: a number for each set of rows that pairs join, in order of the first row."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = coo_array((np.ones(len(first)), (first, second)), shape=(rows, rows))
    labels = connected_components(pairs, directed=False)[1]
    joined = labels[np.unique(np.concatenate([first, second]))]
    number = {label: place for place, label in enumerate(dict.fromkeys(joined.tolist()))}
    return np.array([number.get(label, -1) for label in labels.tolist()], np.int64)


def _check_side(side: str) -> None:
    if side not in SIDES:
        raise ConfigError(f"side={side!r}", value=side, remedy="use 'query' or 'response'")


def _check_model(predictor: MultiModalPredictor, index: Index) -> None:
    if index.model != fingerprint(model_of(predictor)):
        raise ArtifactError(
            "the index is of another model, or of this one before it was trained further",
            remedy="build it anew: predictor.build_index(items)",
        )


def _need_model(predictor: MultiModalPredictor, *tables: Table) -> None:
    """A task that needs no fit plans on rows that hold both sides: of what is given, each side's
    columns; those of a side that nobody gave are the other's.
    """
    try:
        model_of(predictor)
        return
    except NotFittedError:
        named = {side: predictor.roles.get(side, ()) for side in SIDES}
        if len({table.folder for table in tables}) > 1 or not all(named.values()):
            raise
    frames = {id(table): table.frame for table in tables}.values()
    whole = pd.concat(frames, ignore_index=True)
    for side, other in (SIDES, SIDES[::-1]):
        for own, twin in zip(named[side], named[other], strict=False):
            if own not in whole and twin in whole:
                whole[own] = whole[twin]
    predictor.predict(Table(whole, tables[0].folder))
