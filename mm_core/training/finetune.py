"""The default fitter: trains backbones and heads together by gradient descent."""

from __future__ import annotations

from mm_core.api.fitting import FitJob, FitResult, Fitter


class Finetune(Fitter):
    """All trainable weights, on all training rows, with the core's own loop."""

    def fit(self, job: FitJob) -> FitResult:
        return job.train_network(job.model.topology, job.batches())
