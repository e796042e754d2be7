"""Rows as people look at them: short texts, small pictures, answer and truth."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mm_report.drawn import Look
from mm_report.parts import PICTURES, as_address, opened
from mm_report.tested import Tested

LONGEST_TEXT = 400
MOST_CELLS = 12
"""Of a row, beside its pictures."""

SIDE = 200
"""Pixels of the longer side of a small picture: at most some 10 kB."""


@dataclass(frozen=True)
class Cell:
    """A cell of a row.

    Attributes:
        column: its name.
        text: what stands there, short.
        picture: a ``data:`` address of the small picture, or empty.
    """

    column: str
    text: str
    picture: str = ""


@dataclass(frozen=True)
class ShownRow:
    """A row with what the model said of it.

    Attributes:
        row: its index.
        truth: the label.
        answer: what the model said.
        how: a few more words: probabilities, distance.
        cells: of it, pictures first.
        hidden: how many cells are not shown.
        sheet: a ``data:`` address of the truth drawn beside the answer, or empty.
    """

    row: str
    truth: str
    answer: str
    how: str
    cells: list[Cell] = field(default_factory=list)
    hidden: int = 0
    sheet: str = ""


def worst(tested: Tested, most: int) -> list[int]:
    """Positions of the rows that are most wrong, the worst first; right ones are left out."""
    values = tested.wrong.values
    order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")
    wrong = np.isfinite(values) & ~_right(tested)
    return [int(row) for row in order[wrong[order]][:most]]


def surest_errors(tested: Tested, most: int) -> list[int]:
    """Positions of wrong answers by how sure the model was of them; none where it says nothing."""
    if tested.form != "classes" or tested.proba is None:
        return []
    labels = np.asarray(tested.decoded.views["labels"])
    wrong = np.flatnonzero(~_right(tested))
    sure = tested.proba[wrong, labels[wrong]]
    return [int(row) for row in wrong[np.argsort(-sure, kind="stable")][:most]]


def _right(tested: Tested) -> np.ndarray:
    """bool [N]: nothing of the answer is wrong."""
    if tested.form == "number":
        return tested.wrong.values == 0
    right = np.zeros(len(tested), dtype=bool) if tested.right is None else tested.right
    return right if right.ndim == 1 else right.all(axis=1)


def shown(tested: Tested, row: int, look: Look | None = None) -> ShownRow:
    """A row of the table; its answer drawn, where it is one that can be."""
    look = look or Look()
    kinds = {plan.name: plan.kind for plan in tested.recipe.columns.columns}
    frame, label = tested.table.frame, tested.recipe.data.label
    cells = []
    for name in frame.columns:
        if name not in label and not _is_missing(frame[name].iloc[row]):
            cells.append(_cell(name, frame[name].iloc[row], kinds.get(name), tested.table.folder))
    if look.sheet:  # which has the picture in it
        cells = [replace(cell, picture="") for cell in cells]
    cells.sort(key=lambda cell: not cell.picture)
    plain = sum(not cell.picture for cell in cells)
    kept = cells[: len(cells) - max(0, plain - MOST_CELLS)]
    return ShownRow(
        row=str(tested.index[row]),
        truth=look.true or _joined(tested.truth.iloc[row]),
        answer=look.said or _joined(tested.decoded.answer.iloc[row]),
        how=_how(tested, row),
        cells=kept,
        hidden=len(cells) - len(kept),
        sheet=look.sheet,
    )


def _how(tested: Tested, row: int) -> str:
    if tested.form == "classes" and tested.proba is not None:
        answered = int(np.asarray(tested.decoded.views["labels"])[row])
        true = int(tested.true("proba")[row])
        said = f"answer {tested.proba[row, answered]:.1%}"
        return said if answered == true else f"{said}, truth {tested.proba[row, true]:.1%}"
    wrong = tested.wrong
    value = wrong.sign * wrong.values[row]
    return f"{wrong.shown or wrong.what}: {number(value)}" if np.isfinite(value) else ""


def _joined(values: pd.Series) -> str:
    if len(values) == 1:
        return short(values.iloc[0])
    return ", ".join(f"{name} {short(value)}" for name, value in values.items())


def _cell(column: str, cell: Any, kind: str | None, folder: Path) -> Cell:
    picture = opened(cell, folder) if kind in PICTURES else None
    if picture is None:
        return Cell(column, short(cell))
    name = Path(cell).name if isinstance(cell, str) and len(cell) < LONGEST_TEXT else ""
    return Cell(column, name, as_address(picture, SIDE, quality=80))


def short(value: Any) -> str:
    """A cell as text; what is left out of a long one is said."""
    if isinstance(value, float | np.floating):
        return number(float(value))
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes"
    if isinstance(value, np.ndarray):
        return f"an array of {' x '.join(map(str, value.shape))}"
    text = str(value)
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:LONGEST_TEXT]} … ({len(text):,} characters)"


def number(value: float) -> str:
    """Four digits, or all of a larger whole number."""
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def _is_missing(cell: Any) -> bool:
    found = pd.isna(cell)
    return bool(found) if isinstance(found, bool | np.bool_) else False
