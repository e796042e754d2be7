"""Whose turn it is: rows by folds, and time by shares."""

from __future__ import annotations

import time

import numpy as np

from mm_core.api import ConfigError, FitJob
from mm_ensemble.votes import Array


def folds(job: FitJob, count: int) -> Array:
    """int [N], the fold of each training row, each class spread over all.

    Raises:
        ConfigError: there are fewer rows than folds.
    """
    rows, task = len(job.train), job.model.task
    if rows < 2 * count:
        raise ConfigError(
            f"{rows} rows are too few for {count} folds",
            plugin=job.model.recipe.fit.id,
            value=count,
            remedy="set fit.folds=2",
        )
    order = np.random.default_rng(job.model.recipe.training.seed).permutation(rows)
    strata = task.strata(job.train.encoded.targets)
    if strata is not None:
        order = order[np.argsort(np.asarray(strata)[order], kind="stable")]
    found = np.empty(rows, dtype=np.int64)
    found[order] = np.arange(rows) % count
    return found


def share(deadline: float | None, left: int) -> float | None:
    """When the next of so many fits is to stop; None: when it is done."""
    now = time.monotonic()
    return None if deadline is None else now + max(0.0, deadline - now) / left
