"""The default fitter: trains backbones and heads together by gradient descent."""

from __future__ import annotations

from typing import cast

from mm_core.api.fitting import INTERRUPTED, FitJob, FitResult, Fitter
from mm_core.training.first import tell_of_better_alone
from mm_core.training.job import Job


class Finetune(Fitter):
    """All trainable weights, on all training rows, with the core's own loop."""

    def fit(self, job: FitJob) -> FitResult:
        alone = job.train_new_first()
        result = job.train_network(job.model.topology, job.batches())
        if result.stopped != INTERRUPTED:
            tell_of_better_alone(cast("Job", job), alone, result)
        return result
