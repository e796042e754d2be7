"""The default fitter: trains backbones and heads together by gradient descent."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import cast

from mm_core.api.fitting import INTERRUPTED, FitJob, FitResult, Fitter
from mm_core.training.first import tell_of_better_alone, train_new_first
from mm_core.training.job import Job


class Finetune(Fitter):
    """All trainable weights, on all training rows, with the core's own loop."""

    def fit(self, job: FitJob) -> FitResult:
        own = cast("Job", job)
        if not (own.starts_anew and own.model.recipe.training.new_first):
            return job.train_network(job.model.topology, job.batches())
        first = train_new_first(own)
        if first.interrupted:
            own.context = replace(own.context, deadline=time.monotonic())
            result = job.train_network(job.model.topology, job.batches())
            return replace(result, stopped=INTERRUPTED)
        result = job.train_network(job.model.topology, job.batches())
        tell_of_better_alone(own, first, result)
        return result
