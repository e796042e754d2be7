"""Which rows train and which are held out."""

from __future__ import annotations

import numpy as np

from mm_core.api.errors import EmptyDataError


def holdout_share(n_rows: int) -> float:
    """Share held out when the user names none: 20% of small data, 10% of large data."""
    return max(0.1, min(0.2, 500 / n_rows))


def split_rows(
    n_rows: int, share: float | None, strata: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of training and held-out rows, both sorted.

    Args:
        n_rows: rows to split.
        share: of rows to hold out; None: :func:`holdout_share`.
        strata: class of each row; each class with two rows or more has one on both sides.
        seed: of the draw.

    Raises:
        EmptyDataError: fewer than two rows, or no class with two.
    """
    if n_rows < 2:
        raise EmptyDataError(
            f"{n_rows} row cannot be split into training and validation",
            remedy="give at least two rows, or tuning_data=",
        )
    share = holdout_share(n_rows) if share is None else share
    generator = np.random.default_rng(seed)
    groups = np.zeros(n_rows, dtype=np.int64) if strata is None else strata
    held = np.zeros(n_rows, dtype=bool)
    for group in np.unique(groups):
        rows = generator.permutation(np.flatnonzero(groups == group))
        wanted = max(1, round(share * len(rows)))
        held[rows[: min(wanted, len(rows) - 1)]] = True
    if not held.any():
        raise EmptyDataError(
            "every class has a single row: none can be held out",
            remedy="give two rows of some class, or tuning_data=",
        )
    return np.flatnonzero(~held), np.flatnonzero(held)
