"""A fit is given up after validations that are worse than those of others. Imports Lightning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning as pl

ShouldPrune = Callable[[int, float], bool]
"""(epoch, score of its validation) -> whether the fit is to be given up."""


class Pruning(pl.Callback):
    """Tells the search of each epoch's validation, and stops the fit where it says so.

    Of a training that began again the epochs that were told once are not told again: the search
    would go on judging it by those of the first.

    Args:
        should_prune: asked after each epoch.
        metric: name of the validation score.
    """

    def __init__(self, should_prune: ShouldPrune, metric: str) -> None:
        self._should_prune, self._metric = should_prune, metric
        self.pruned = False
        self._told = -1

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """After the core has validated."""
        if self.pruned:  # and the core began the training again: its rates came to nothing
            trainer.should_stop = True
            return
        score = trainer.callback_metrics.get(self._metric)
        if score is None or trainer.current_epoch <= self._told:
            return
        self._told = trainer.current_epoch
        if self._should_prune(self._told, float(score)):
            self.pruned = True
            trainer.should_stop = True
