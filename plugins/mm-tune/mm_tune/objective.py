"""What a trial is: one fit, by the settings of the trial, and what it comes to."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_core.api import INTERRUPTED, ConfigError, MMError, Table
from mm_core.api.tools import MultiModalPredictor, Recipe, result_of

if TYPE_CHECKING:
    from mm_tune.pruning import ShouldPrune


CUT = 0.7
"""Share of the time that was left which a fit that was stopped by it takes at least: networks plan
their epochs by it, trees keep some of it for scores."""


@dataclass(frozen=True)
class Outcome:
    """What a fit came to.

    Attributes:
        state: done, pruned, failed; cut, where the end of the search's time may have stopped it.
        score: of its best validation; None where it failed.
        seconds: that it took; None: nobody knows, for its process ended.
        why: it failed.
    """

    state: str
    score: float | None = None
    seconds: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Arguments:
    """Of the predictor, as all trials have them."""

    label: Any
    fixed: Mapping[str, Any]
    presets: Any
    problem_type: str | None
    eval_metric: str | None
    validation_metric: str | None
    column_types: Any
    roles: Any
    holdout_frac: float | None
    sample_weight: Any
    plugins: tuple[str | Path, ...]
    seed: int

    @property
    def settings(self) -> dict[str, Any]:
        """Those that are given, whatever argument they come by."""
        more = {"roles": self.roles, "data.holdout_frac": self.holdout_frac}
        more["data.sample_weight"] = self.sample_weight
        return {**self.fixed, **{key: one for key, one in more.items() if one}}

    def __post_init__(self) -> None:
        whole = isinstance(self.seed, Integral) and not isinstance(self.seed, bool)
        if not whole or not 0 <= self.seed < 2**32:
            raise ConfigError(
                f"seed={self.seed!r}",
                plugin="tune",
                value=self.seed,
                remedy="give a whole number from 0, below 2**32",
            )
        object.__setattr__(self, "seed", int(self.seed))

    @property
    def planning(self) -> dict[str, Any]:
        """Those that ``plan`` and ``fit`` of a predictor take."""
        return {
            "column_types": self.column_types,
            "holdout_frac": self.holdout_frac,
            "sample_weight": self.sample_weight,
        }

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
            roles=self.roles,
        )

    def plan(self, table: Table, settings: Mapping[str, Any]) -> Recipe:
        """What a fit with these settings would do."""
        return self.predictor(settings).plan(table, **self.planning)


@dataclass(frozen=True)
class Objective:
    """Fits the same rows by one setting or another; goes to other processes as it is.

    Attributes:
        arguments: of the predictor.
        table: training rows.
        tuning: validation rows; None: some are held out.
        metric: name of the score.
    """

    arguments: Arguments
    table: Table
    tuning: Table | None
    metric: str

    def __call__(
        self,
        settings: Mapping[str, Any],
        seconds_left: float | None,
        should_prune: ShouldPrune | None,
    ) -> Outcome:
        """Fit once.

        Args:
            settings: of the trial.
            seconds_left: after which it is stopped; None: it is not.
            should_prune: asked after each validation; None: it is never given up.

        Raises:
            KeyboardInterrupt: a user stopped it.
        """
        began = clock.monotonic()
        pruning = self._pruning(should_prune)
        score, why = self._scored(settings, seconds_left, pruning)
        seconds = clock.monotonic() - began
        if score is None or not math.isfinite(score):
            return Outcome("failed", None, seconds, why or f"its score is {score}")
        if pruning is not None and pruning.pruned:
            return Outcome("pruned", score, seconds)
        cut = seconds_left is not None and seconds > CUT * seconds_left
        return Outcome("cut" if cut else "done", score, seconds)

    def _scored(
        self, settings: Mapping[str, Any], seconds_left: float | None, pruning: Any
    ) -> tuple[float | None, str]:
        """(score, why there is none)."""
        try:
            predictor = self.arguments.predictor(settings).fit(
                self.table,
                tuning_data=self.tuning,
                time_limit=seconds_left,
                callbacks=pruning,
                **self.arguments.planning,
            )
            result = result_of(predictor)
        except MMError as error:
            return None, str(error)
        except Exception as error:  # noqa: BLE001, any library's: it is told and written down
            return None, f"{type(error).__name__}: {error}".strip()
        if result.stopped == INTERRUPTED:  # by the first Ctrl-C, which ends a search too
            raise KeyboardInterrupt
        score = result.best_score
        return score, "" if score is not None else "its score is not defined"

    def _pruning(self, should_prune: ShouldPrune | None) -> Any:
        """A callback of the training loop."""
        if should_prune is None:
            return None
        from mm_tune.pruning import Pruning

        return Pruning(should_prune, self.metric)
