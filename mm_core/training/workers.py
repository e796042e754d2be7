"""How many processes make training batches."""

from __future__ import annotations

import time

from mm_core.data.ahead import enough
from mm_core.processes import cores
from mm_core.recipe.training import TrainingConfig
from mm_core.training.batches import TrainBatches
from mm_core.training.loop.devices import accelerator, device_count

TRIED_ROWS = 8
"""Rows whose making is measured."""


def with_workers(batches: TrainBatches, training: TrainingConfig) -> TrainBatches:
    """The same batches, made by as many processes as ``training.workers`` says.

    ``auto``: none on a CPU, whose cores the network needs. On a GPU one thread where batches are
    made quickly (tables, texts), which is measured on the costliest rows, else a process on each
    core but one of this process's share.
    """
    if training.workers != "auto":
        return batches.with_workers(training.workers)
    if accelerator() == "cpu":
        return batches
    workers = enough(_seconds(batches, training.batch_size), cores() // device_count(training))
    return batches.with_workers(workers, threads=1)


def _seconds(batches: TrainBatches, batch_size: int) -> float:
    """To make the costliest batch."""
    tried = batches.with_batch_size(min(batch_size, TRIED_ROWS))
    tried.costliest()  # the first one waits for imports
    started = time.perf_counter()
    tried.costliest()
    return (time.perf_counter() - started) * batch_size / min(batch_size, TRIED_ROWS)
