"""Kinds of rows on which a model does worse than on the others."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd

from mm_report.tested import Tested

LEAST_ROWS = 20
MOST_VALUES = 20
"""Values of a column that are looked at, the most frequent."""

SURE = 0.05
"""How often chance alone may give a line of the table, over all slices that were looked at."""

QUARTERS = 4


@dataclass(frozen=True)
class Slice:
    """Rows that share something.

    Attributes:
        column: of which.
        what: what they share.
        rows: how many.
        inside: mean wrongness of these rows.
        outside: of the others.
        errors: by how many standard errors it is worse.
    """

    column: str
    what: str
    rows: int
    inside: float
    outside: float
    errors: float


@dataclass(frozen=True)
class Slices:
    """What was found.

    Attributes:
        worse: slices that do worse than chance explains, the most certain first.
        looked_at: how many there were.
        what: what was compared.
    """

    worse: list[Slice]
    looked_at: int
    what: str


def slices(tested: Tested) -> Slices:
    """Categories, quarters of numbers, lengths of texts, missing cells; each against the rest.

    A slice is shown where its rows are wrong by more than chance explains at 5%, corrected for the
    number of slices (Bonferroni).
    """
    if tested.right is not None:
        right = tested.right
        values = 1.0 - (right if right.ndim == 1 else right.mean(axis=1))
        what = "share of wrong answers"
    else:
        values, what = tested.wrong.values, tested.wrong.what
    known = np.isfinite(values)
    found = []
    for column, said, chosen in _candidates(tested):
        inside, outside = values[chosen & known], values[~chosen & known]
        if min(len(inside), len(outside)) >= LEAST_ROWS:
            found.append(_compared(column, said, inside, outside))
    bound = _normal_bound(SURE / max(1, len(found)))
    worse = sorted((one for one in found if one.errors > bound), key=lambda one: -one.errors)
    return Slices(worse, len(found), what)


def _compared(column: str, said: str, inside: np.ndarray, outside: np.ndarray) -> Slice:
    error = math.sqrt(inside.var(ddof=1) / len(inside) + outside.var(ddof=1) / len(outside))
    apart = float(inside.mean() - outside.mean())
    errors = apart / error if error > 0 else 0.0
    return Slice(
        column, said, len(inside), float(inside.mean()), float(outside.mean()), float(errors)
    )


def _normal_bound(chance: float) -> float:
    """Standard errors that chance exceeds this often, one-sided."""
    return NormalDist().inv_cdf(1 - chance)


def _candidates(tested: Tested) -> Iterator[tuple[str, str, np.ndarray]]:
    """(column, what the rows share, bool [N])."""
    kinds = {plan.name: plan.kind for plan in tested.recipe.columns.columns}
    for name in tested.table.frame.columns:
        if name in tested.recipe.data.label or name not in kinds:
            continue
        cells, kind = tested.table.frame[name], kinds[name]
        missing = cells.isna().to_numpy()
        if missing.any():
            yield name, "missing", missing
        if kind == "numerical":
            yield from _quarters(name, pd.to_numeric(cells, errors="coerce"), "")
        elif kind == "text":
            lengths = cells.map(lambda cell: len(cell) if isinstance(cell, str) else np.nan)
            yield from _quarters(name, pd.to_numeric(lengths), " characters")
        elif kind in ("categorical", "boolean"):
            texts = cells.astype(str).where(~missing)
            for value in texts.value_counts().index[:MOST_VALUES]:
                yield name, f"= {value}", (texts == value).to_numpy(dtype=bool)


def _quarters(name: str, values: pd.Series, unit: str) -> Iterator[tuple[str, str, np.ndarray]]:
    numbers = values.to_numpy(np.float64)
    known = np.isfinite(numbers)
    if known.sum() < QUARTERS * LEAST_ROWS:
        return
    edges = np.unique(np.quantile(numbers[known], np.linspace(0, 1, QUARTERS + 1)))
    for place, (low, high) in enumerate(itertools.pairwise(edges)):
        last = place == len(edges) - 2
        chosen = known & (numbers >= low) & ((numbers <= high) if last else (numbers < high))
        yield name, f"{low:.4g} to {high:.4g}{unit}", chosen
