"""What else a tagger's predictor can do: show what it finds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mm_core.api import DataError, tools
from mm_ner.draw import mistakes, page
from mm_ner.labels import EntityError, read_entities

if TYPE_CHECKING:
    from mm_core.api.tools import MultiModalPredictor


def visualize(
    predictor: MultiModalPredictor,
    data: Any,
    out: str | Path | None = None,
    most: int = 50,
    **options: Any,
) -> Any:
    """A page of texts with what was found in them, beside what the labels say.

    Args:
        predictor: fitted.
        data: with labels or without; where there are some, rows with the most mistakes come first.
        out: an .html file to write; None: the page is given.
        most: texts at most.
        options: of the prediction.

    Returns:
        HTML without scripts, or the path of the file.

    Raises:
        DataError: labels that list no entities.
    """
    rows = tools.read_rows(data, tools.registry_of(predictor))
    frame = rows.table.frame
    (part,) = predictor.recipe.inputs.values()
    (column,) = part.columns
    label = predictor.recipe.data.label[0]
    said = [read_entities(cell) for cell in predictor.predict(rows.table, **options)]
    empty = pd.Series([""] * len(frame))
    texts = ["" if pd.isna(one) else str(one) for one in frame.get(column, empty)]
    true = _labels(frame[label]) if label in frame else [None] * len(frame)
    order = list(range(len(frame)))
    if label in frame:
        order = sorted(order, key=lambda row: -mistakes(true[row] or [], said[row]))
    listed = [(rows.index[row], texts[row], true[row], said[row]) for row in order[:most]]
    made = page("Entities", listed)
    if out is None:
        return made
    Path(out).write_text(made, encoding="utf-8")
    return str(out)


def _labels(cells: pd.Series[Any]) -> list[Any]:
    found = []
    for row, cell in enumerate(cells):
        try:
            found.append(read_entities(cell))
        except EntityError as error:
            raise DataError(
                f"row {row} of {cells.name!r}: {error}",
                column=str(cells.name),
                rows=[row],
                value=cell,
                remedy="`mm ner check DATA` lists all such rows, or leave the column out",
            ) from error
    return found
