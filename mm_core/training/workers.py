"""How many processes make training batches."""

from __future__ import annotations

import os
import time

from mm_core.recipe.training import TrainingConfig
from mm_core.training.batches import TrainBatches
from mm_core.training.loop.devices import accelerator, device_count

UNNOTICED = 0.02
"""Seconds for a batch that a GPU's step hides, or that handing it over would take as well."""

MOST = 8
"""Processes of ``auto``, at most."""


def with_workers(batches: TrainBatches, training: TrainingConfig) -> TrainBatches:
    """The same batches, made by as many processes as ``training.workers`` says.

    ``auto``: none on a CPU, whose cores the network needs. On a GPU none where batches are made
    quickly (tables, texts), which is measured on the costliest one, else one on each core but one
    of this process's share.
    """
    if training.workers != "auto":
        return batches.with_workers(training.workers)
    if accelerator() == "cpu":
        return batches
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return batches.with_workers(enough(_seconds(batches), (cores or 1) // device_count(training)))


def enough(seconds: float, cores: int) -> int:
    """Processes that batches of so many seconds are worth.

    Args:
        seconds: to make one batch.
        cores: that this process may use.
    """
    return 0 if seconds < UNNOTICED else max(0, min(MOST, cores - 1))


def _seconds(batches: TrainBatches) -> float:
    batches.costliest()  # the first one waits for imports
    started = time.perf_counter()
    batches.costliest()
    return time.perf_counter() - started
