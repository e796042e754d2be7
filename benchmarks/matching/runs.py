"""What parts of the benchmark have in common. Each gives runs: what names one, and what does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Run = tuple[dict[str, Any], Callable[[], dict[str, Any]]]


def rounded(found: Mapping[str, float]) -> dict[str, float]:
    """Scores and seconds, as they are written."""
    return {key: round(float(value), 4) for key, value in found.items()}


def interval(score: Callable[[np.ndarray], float], rows: int, draws: int = 1000) -> list[float]:
    """95% of the scores of rows drawn with replacement.

    Args:
        score: of the rows at these places.
        rows: how many there are.
        draws: how often.
    """
    rng = np.random.default_rng(0)
    found = [score(rng.integers(0, rows, rows)) for _ in range(draws)]
    return [round(float(end), 4) for end in np.quantile(found, [0.025, 0.975])]
