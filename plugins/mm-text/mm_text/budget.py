"""Sharing one length among several columns."""

from __future__ import annotations

import numpy as np


def fair_shares(lengths: np.ndarray, budget: np.ndarray) -> np.ndarray:
    """How much each column of each row may keep (max-min fairness, "water-filling").

    A column shorter than an equal share keeps everything; what it leaves over goes to the longer
    ones, which all end at the same length. Tokens that do not divide evenly go to the columns that
    stand first.

    Args:
        lengths: int [N, C], what each column would like to have.
        budget: int [N], what a row has to give, >= 0.

    Returns:
        int [N, C], at most ``lengths``; sums to ``min(lengths.sum(1), budget)``.
    """
    rows, columns = lengths.shape
    ordered = np.sort(lengths, axis=1)
    before = np.cumsum(ordered, axis=1) - ordered  # taken by the shorter columns
    sharing = columns - np.arange(columns)  # columns that share what is left, itself included
    cut = before + ordered * sharing > budget[:, None]
    first = cut.argmax(axis=1)  # the shortest column that cannot keep everything
    here = np.arange(rows)
    level, rest = np.divmod(budget - before[here, first], sharing[first])
    fits = ~cut.any(axis=1)
    level = np.where(fits, ordered[:, -1], level)
    shares = np.minimum(lengths, level[:, None])
    longer = lengths > shares
    extra = longer & (np.cumsum(longer, axis=1) <= rest[:, None])
    result: np.ndarray = shares + extra
    return result
