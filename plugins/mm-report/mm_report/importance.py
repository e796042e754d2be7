"""What a model loses when the cells of a column, or of an input, are those of other rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mm_core.api import Table, tools
from mm_report.ask import evenly
from mm_report.tested import Tested

MOST_COLUMNS = 40
"""That are looked at one by one: of wide tables the first; the others count in their input."""


@dataclass(frozen=True)
class Part:
    """An input or a column.

    Attributes:
        level: ``"input"`` or ``"column"``.
        name: of it.
        loss: mean fall of the score, or rise of an error, over the repeats.
        spread: standard deviation over the repeats.
    """

    level: str
    name: str
    loss: float
    spread: float


@dataclass(frozen=True)
class Importance:
    """Of all parts, the greatest first.

    Attributes:
        metric: short name of the score.
        rows: that were looked at.
        repeats: orders that each part was put into.
        parts: of the model.
        left_out: columns that were not looked at one by one.
    """

    metric: str
    rows: int
    repeats: int
    parts: list[Part]
    left_out: int = 0


def importance(tested: Tested, rows: int, repeats: int, seed: int) -> Importance | None:
    """Permutation importance by the eval metric.

    Args:
        tested: the model and its rows.
        rows: at most, spread evenly; 0: none is asked for.
        repeats: orders of each part.
        seed: of these.

    Returns:
        None where it is not defined: no rows, one row, or no score.
    """
    metric = tested.recipe.data.eval_metric
    chosen = evenly(len(tested), rows)
    whole = tested.score(metric, chosen) if len(chosen) > 1 else None
    if whole is None:
        return None
    sign = 1.0 if tested.metrics.higher_is_better(metric) else -1.0
    table, rng = tested.table.take(chosen), np.random.default_rng(seed)
    found = []
    wanted, left_out = _parts(tested)
    for level, name, columns in wanted:
        scores = []
        for _ in range(repeats):
            decoded = tested.asked(_mixed(table, columns, rng.permutation(len(chosen))))
            scores.append(tested.score(metric, chosen, decoded))
        known = sign * (whole - np.array([one for one in scores if one is not None]))
        if len(known):
            found.append(Part(level, name, float(known.mean()), float(known.std())))
    found.sort(key=lambda part: (part.level != "input", -part.loss))
    return Importance(tools.short_name(metric), len(chosen), repeats, found, left_out)


def _parts(tested: Tested) -> tuple[list[tuple[str, str, list[str]]], int]:
    """(level, name, columns) of inputs and columns, and how many columns are left out."""
    frame = tested.table.frame
    inputs = {
        name: [column for column in part.columns if column in frame.columns]
        for name, part in tested.recipe.inputs.items()
    }
    columns = list(dict.fromkeys(column for names in inputs.values() for column in names))
    if not columns:  # models that read cells as they are
        columns = [one for one in frame.columns if one not in tested.recipe.data.label]
    found = [("input", name, names) for name, names in inputs.items() if names]
    found += [("column", name, [name]) for name in columns[:MOST_COLUMNS]]
    return found, len(columns[MOST_COLUMNS:])


def _mixed(table: Table, columns: Sequence[str], order: np.ndarray) -> Table:
    """The columns in another order, together: what they say of each other stays."""
    frame = table.frame.copy()
    for column in columns:
        frame[column] = frame[column].iloc[order].set_axis(frame.index)
    return Table(frame, table.folder)
