"""Which rows train and which are held out."""

from __future__ import annotations

import numpy as np

from mm_core.api.errors import EmptyDataError


def holdout_share(n_rows: int) -> float:
    """Share held out when the user names none: 20% of small data, 10% of large data."""
    return max(0.1, min(0.2, 500 / n_rows))


def split_rows(
    n_rows: int,
    share: float | None,
    strata: np.ndarray | None,
    seed: int,
    essential: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of training and held-out rows, both sorted.

    Args:
        n_rows: rows to split.
        share: of rows to hold out; None: :func:`holdout_share`.
        strata: class of each row: its share is held out of each class, as near as whole rows
            allow; first of all one row of every class with two, the largest classes first. A
            class keeps a training row; a small class may have no held-out one.
        seed: of the draw.
        essential: bool [N], rows that are not held out; None: none.

    Raises:
        EmptyDataError: fewer than two rows, or no class with two.
    """
    if n_rows < 2:
        raise EmptyDataError(
            f"{n_rows} row cannot be split into training and validation",
            remedy="give at least two rows, or tuning_data= (--tuning)",
        )
    share = holdout_share(n_rows) if share is None else share
    generator = np.random.default_rng(seed)
    order = generator.permutation(n_rows)
    groups = np.zeros(n_rows, dtype=np.int64) if strata is None else strata[order]
    rank, size = _rank_within(groups)
    turn = np.where(rank == 0, -size, (rank + 0.5) / size)  # Webster's method of allotting seats
    first = np.argsort(turn, kind="stable")
    first = first[rank[first] < size[first] - 1]
    if essential is not None:
        first = first[~essential[order[first]]]
    held = np.zeros(n_rows, dtype=bool)
    held[order[first[: max(1, round(share * n_rows))]]] = True
    if not held.any():
        raise EmptyDataError(
            "every class or label has a single row: none can be held out",
            remedy="give two rows of some class, or tuning_data= (--tuning); a label of amounts, "
            "dates or names of files has no classes: make numbers of it, or name another column",
        )
    return np.flatnonzero(~held), np.flatnonzero(held)


def _rank_within(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row: how many rows of its group come before it, and the size of its group."""
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    by_group = np.argsort(group, kind="stable")
    starts = np.cumsum(sizes) - sizes
    rank = np.empty(len(groups), dtype=np.int64)
    rank[by_group] = np.arange(len(groups)) - starts[group[by_group]]
    return rank, sizes[group]
