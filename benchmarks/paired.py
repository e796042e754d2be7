"""Paired differences over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats


def paired(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """Mean of ours - theirs with its 95% interval (Student's t).

    ``worse`` is True where the whole interval lies below zero. A single pair has no interval.
    """
    differences = np.subtract(ours, theirs)
    mean = float(differences.mean())
    if len(differences) < 2:
        return {"mean": mean, "interval": [mean, mean], "worse": mean < 0}
    error = float(differences.std(ddof=1)) / len(differences) ** 0.5
    half = float(stats.t.ppf(0.975, len(differences) - 1)) * error
    return {
        "each": differences.tolist(),
        "mean": mean,
        "interval": [mean - half, mean + half],
        "worse": mean + half < 0,
    }
