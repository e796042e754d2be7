"""Columns that number the rows: they say where a row stood, and nothing of it."""

from __future__ import annotations

import re
from shlex import quote

from mm_core.api.columns import ColumnSample

_UNNAMED = re.compile(r"(Unnamed: ?\d+(_level_\d+)?(\.\d+)*|level_0|__index_level_\d+__)?")
"""Names that pandas gives to an index without a name."""

_FEWEST = 100
"""Rows from which a column that counts them is told, whatever its name."""


def row_number(sample: ColumnSample) -> str:
    """Why the column is a row number, by its name and cells; empty: it is none."""
    if not _UNNAMED.fullmatch(sample.name) or not _are_whole(sample):
        return ""
    if sample.n_unique < sample.n_rows:
        return ""
    return (
        "row numbers, as df.to_csv() without index=False writes them; to use them: "
        f"column_types={{{sample.name!r}: 'numerical'}} (--column-type "
        f"{quote(f'{sample.name}=numerical')})"
    )


def counts_rows(sample: ColumnSample) -> str:
    """What is told of a column that holds each of 0..N-1, or 1..N, once; empty: it does not."""
    if sample.n_rows < _FEWEST or sample.n_unique < sample.n_rows or not _are_whole(sample):
        return ""
    first, last = int(sample.cells.min()), int(sample.cells.max())
    if first not in (0, 1) or last - first + 1 != sample.n_rows:
        return ""
    return (
        f"it counts the rows, {first} to {last}: if that is no more than their order, leave it out "
        f"(column_types={{{sample.name!r}: 'ignore'}}, --column-type "
        f"{quote(f'{sample.name}=ignore')})"
    )


def _are_whole(sample: ColumnSample) -> bool:
    return sample.dtype == "number" and getattr(sample.cells, "dtype", None) in ("int64", "Int64")
