"""The fits of a search: what all of them share, and what one comes to."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_core.api import MMError, Table
from mm_core.api.tools import MultiModalPredictor, Recipe, result_of

if TYPE_CHECKING:
    from mm_tune.pruning import Worse


@dataclass(frozen=True)
class Outcome:
    """What a fit came to.

    Attributes:
        state: done, pruned, failed.
        score: of its best validation; None where it failed.
        seconds: that it took; None: nobody knows, for its process ended.
        why: it failed.
    """

    state: str
    score: float | None = None
    seconds: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Wanted:
    """What all fits share: the predictor's arguments."""

    label: Any
    fixed: Mapping[str, Any]
    presets: Any
    problem_type: str | None
    eval_metric: str | None
    validation_metric: str | None
    column_types: Any
    plugins: tuple[str | Path, ...]
    seed: int

    def predictor(self, settings: Mapping[str, Any]) -> MultiModalPredictor:
        """One that was not fitted, with the settings of a trial."""
        seed = {} if "training.seed" in self.fixed else {"training.seed": self.seed}
        return MultiModalPredictor(
            self.label,
            problem_type=self.problem_type,
            presets=self.presets,
            eval_metric=self.eval_metric,
            validation_metric=self.validation_metric,
            hyperparameters={**self.fixed, **seed, **settings},
            verbosity=0,
            plugins=self.plugins,
        )

    def plan(self, table: Table, settings: Mapping[str, Any]) -> Recipe:
        """What a fit with these settings would do."""
        return self.predictor(settings).plan(table, column_types=self.column_types)


@dataclass(frozen=True)
class Fits:
    """Fits of the same rows by one setting or another; goes to other processes as it is.

    Attributes:
        wanted: what they share.
        table: training rows.
        tuning: validation rows; None: some are held out.
        metric: name of the score.
    """

    wanted: Wanted
    table: Table
    tuning: Table | None
    metric: str

    def fit(self, settings: Mapping[str, Any], left: float | None, worse: Worse | None) -> Outcome:
        """Fit once.

        Args:
            settings: of the trial.
            left: seconds after which it is stopped; None: it is not.
            worse: asked after each validation; None: it is never given up.
        """
        began = clock.monotonic()
        pruning = self._pruning(worse)
        score, why = self._scored(settings, left, pruning)
        seconds = clock.monotonic() - began
        if score is None or not math.isfinite(score):
            return Outcome("failed", None, seconds, why or f"its score is {score}")
        given_up = pruning is not None and pruning.pruned
        return Outcome("pruned" if given_up else "done", score, seconds)

    def _scored(
        self, settings: Mapping[str, Any], left: float | None, pruning: Any
    ) -> tuple[float | None, str]:
        """(score, why there is none)."""
        try:
            predictor = self.wanted.predictor(settings).fit(
                self.table,
                tuning_data=self.tuning,
                column_types=self.wanted.column_types,
                time_limit=left,
                callbacks=pruning,
            )
            score = result_of(predictor).best_score
        except MMError as error:
            return None, str(error)
        except Exception as error:  # noqa: BLE001, any library's: it is told and written down
            return None, f"{type(error).__name__}: {error}".strip()
        return score, "" if score is not None else "its score is not defined"

    def _pruning(self, worse: Worse | None) -> Any:
        """A callback of the training loop."""
        if worse is None:
            return None
        from mm_tune.pruning import Pruning

        return Pruning(worse, self.metric)
