"""How much a batch's mean loss counts, so that all rows of an optimiser step count alike."""

from __future__ import annotations

from collections.abc import Sequence


def shares_of_steps(sizes: Sequence[int], accumulate: int) -> list[float]:
    """What each batch's mean loss is multiplied by before Lightning divides by ``accumulate``.

    1 where all batches of a step are of one size and as many as in other steps. At the end of an
    epoch there may be fewer, or one of fewer rows.

    Args:
        sizes: rows of each batch of an epoch.
        accumulate: batches of a step.
    """
    steps = [sizes[start : start + accumulate] for start in range(0, len(sizes), accumulate)]
    return [accumulate * size / sum(step) for step in steps for size in step]
