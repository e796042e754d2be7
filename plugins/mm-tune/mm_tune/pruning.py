"""A trial is given up after validations that are worse than those of others. Imports Lightning."""

from __future__ import annotations

from typing import Any

import lightning as pl
from optuna.trial import Trial


class Pruning(pl.Callback):
    """Tells the search of each epoch's validation, and stops the fit where it says so.

    Args:
        trial: of the search.
        metric: name of the validation score.
    """

    def __init__(self, trial: Trial, metric: str) -> None:
        self._trial, self._metric = trial, metric
        self.pruned = False

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """After the core has validated."""
        score = trainer.callback_metrics.get(self._metric)
        if score is None:
            return
        self._trial.report(float(score), trainer.current_epoch)
        if self._trial.should_prune():
            self.pruned = True
            trainer.should_stop = True
