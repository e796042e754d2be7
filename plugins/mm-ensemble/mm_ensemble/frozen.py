"""A network as it came."""

from __future__ import annotations

import warnings

from mm_core.api import FitJob, FitResult, Fitter, MMWarning


class Frozen(Fitter):
    """Trains nothing: for what the backbones say of rows, not for answers."""

    def fit(self, job: FitJob) -> FitResult:
        """The network as it was built; encoders that were never trained are told."""
        new = [name for name, one in job.model.topology.backbones.items() if not one.pretrained]
        if new:
            warnings.warn(
                f"the weights of {', '.join(new)} are new and will not be trained: what it says of "
                "rows is as good as chance (a checkpoint: backbones.<name>.checkpoint; or "
                "fit=core:finetune)",
                MMWarning,
                stacklevel=2,
            )
        for rows in (job.train, job.validation):  # cells that cannot be read are told here
            for _ in job.plain(rows) if rows is not None else ():
                pass
        return FitResult(history=[], best_score=None, stopped="weights as they came")
