"""Columns that are named as label or weight."""

from __future__ import annotations

from mm_core.api.config import suggest
from mm_core.api.errors import ColumnError, LabelError
from mm_core.api.processors import Table


def check_column(name: str, table: Table, *, is_label: bool) -> None:
    """Refuse the name of a label or weight that is not there.

    Raises:
        LabelError, ColumnError: with the nearest name.
    """
    if name in table.frame.columns:
        return
    near = suggest(name, list(table.frame.columns))
    error = LabelError if is_label else ColumnError
    raise error(
        f"{'label' if is_label else 'weight'} column {name!r} is not in the data",
        column=name,
        remedy=f"did you mean {near!r}?"
        if near
        else f"columns: {', '.join(table.frame.columns[:20])}",
    )
