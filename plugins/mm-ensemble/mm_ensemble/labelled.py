"""Rows that are to have the label."""

from __future__ import annotations

from mm_core.api import LabelError, Table
from mm_core.api.tools import Recipe


def check_labelled(recipe: Recipe, table: Table) -> None:
    """Refuse rows without a label's column.

    Raises:
        LabelError: names it, and the columns that there are.
    """
    for name in recipe.data.label:
        if name not in table.frame.columns:
            raise LabelError(
                f"label column {name!r} is not in the data",
                column=name,
                remedy=f"columns: {', '.join(map(str, table.frame.columns[:20]))}",
            )
