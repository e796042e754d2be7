"""Files that need not fit into memory: rows a part at a time, of the types of the whole file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mm_core.api.processors import Table
from mm_core.data.formats import index_as_columns
from mm_core.data.readers import claimant
from mm_core.data.rows import Rows, read_rows, rows_of, unreadable_file
from mm_core.data.separated import SEPARATORS, CSVFile, ending_of, separated_parts
from mm_core.plugins.registry import Registry

if TYPE_CHECKING:
    import pyarrow.parquet as pq

ROWS = 20_000
"""Rows of a part."""

_PARQUET = (".parquet", ".pq")


def read_chunks(
    data: Any, registry: Registry, rows: int = ROWS, *, empty: bool = False
) -> Iterator[Rows]:
    """The rows of a Parquet, CSV or TSV file a part at a time; of anything else all at once.

    Cells are what :func:`read_rows` gives of the whole file: a column is of one type in all parts.

    Args:
        data: the caller's.
        registry: installed readers.
        rows: of a part.
        empty: whether there may be no rows.

    Raises:
        what :func:`read_rows` raises.
    """
    file = CSVFile(data) if isinstance(data, (str, Path)) else data
    path = Path(file.path) if isinstance(file, CSVFile) else None
    ending = "" if path is None else ending_of(path)
    known = ending in _PARQUET or ending in SEPARATORS
    if path is None or not known or not path.is_file() or claimant(data, registry) is not None:
        yield read_rows(data, registry, empty=empty)
        return
    with unreadable_file(path):
        frames = _parquet_parts(path, rows) if ending in _PARQUET else separated_parts(file, rows)
        start = 0
        for frame in frames:
            if len(frame):
                yield _numbered(rows_of(frame, path.parent), start)
            start += len(frame)
    if start == 0:
        yield read_rows(data, registry, empty=empty)


def _numbered(rows: Rows, start: int) -> Rows:
    """The part with the positions, and where the caller's index counts rows the index, of its rows
    in the file.
    """
    stood = np.arange(start, start + len(rows))
    index = rows.index
    if isinstance(index, pd.RangeIndex) and index.name is None and index.start == 0:
        index = pd.RangeIndex(start, start + len(rows))
    return Rows(Table(rows.table.frame, rows.table.folder, stood), index)


def _parquet_parts(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, buffer_size=2**20, pre_buffer=False) as file:
        holed, start = _holed(file), 0
        for batch in file.iter_batches(batch_size=rows):
            frame = index_as_columns(_with_counters(batch.to_pandas(), file, start))
            start += len(frame)
            whole = [n for n in frame if n in holed and _is_numpy_integer(frame[n].dtype)]
            # In the whole file an integer that is missing somewhere makes the column floats.
            yield frame.astype(dict.fromkeys(whole, "float64"))


def _with_counters(frame: pd.DataFrame, file: pq.ParquetFile, start: int) -> pd.DataFrame:
    """Levels of the index that count rows stand in no row: the file says once how they count."""
    said = (file.schema_arrow.pandas_metadata or {}).get("index_columns", [])
    counts = [_count(one) for one in said if isinstance(one, dict)]
    there = frame.index.nlevels == len(said) > 1  # a part that is the whole file has them
    if there or not counts or any(len(one) != file.metadata.num_rows for one in counts):
        return frame
    counted, stored = iter(counts), iter(range(frame.index.nlevels))
    levels = [
        next(counted)[start : start + len(frame)]
        if isinstance(one, dict)
        else frame.index.get_level_values(next(stored))
        for one in said
    ]
    index = levels[0] if len(levels) == 1 else pd.MultiIndex.from_arrays(levels)
    return frame.set_axis(index, axis=0)


def _count(said: dict[str, Any]) -> pd.RangeIndex:
    return pd.RangeIndex(said["start"], said["stop"], said["step"], name=said["name"])


def _is_numpy_integer(dtype: Any) -> bool:
    """Those of pandas can be missing and stay integers."""
    return isinstance(dtype, np.dtype) and dtype.kind in "iu"


def _holed(file: pq.ParquetFile) -> set[str]:
    """Columns with missing cells, as far as the file tells; those that it does not tell of too."""
    found = set()
    for group in range(file.metadata.num_row_groups):
        for column in range(file.metadata.num_columns):
            facts = file.metadata.row_group(group).column(column)
            statistics = facts.statistics
            if statistics is None or not statistics.has_null_count or statistics.null_count:
                found.add(facts.path_in_schema)
    return found
