"""Boosting by scikit-learn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from mm_core.api import FitJob
from mm_trees.configs import HistGradientBoostingConfig
from mm_trees.features import Array, Features
from mm_trees.fitting import Clock, Grown, Task, Trees, ended, with_all_classes
from mm_trees.goals import Goal
from mm_trees.hist_gradient_boosting_engine import HistGradientBoostingEngine, columns
from mm_trees.skops_file import written
from mm_trees.skops_numbers import Boosted


class HistGradientBoostingTrees(Trees):
    """Fits HistGradientBoosting on the arrays of tables.

    Its rounds cannot be dropped: those that are kept are grown once more, which takes as long as
    the first time at most.
    """

    config: HistGradientBoostingConfig
    engine = HistGradientBoostingEngine
    growing = 0.45

    def grow(self, task: Task) -> Grown:
        """Boost one model."""
        config = self.config
        watching = task.validation is not None
        trees = _untrained(task.goal, self._params(task)).set_params(
            early_stopping=True,
            scoring="loss",
            validation_fraction=None,  # of the training rows: none
            n_iter_no_change=config.patience if watching else config.rounds + 1,
            tol=0,
            warm_start=True,
        )
        clock = Clock(task.deadline)
        for rounds in self._stops(trees, clock):
            _learn(trees.set_params(max_iter=rounds), task, config.threads, task.validation)
        losses, held_out = -trees.train_score_[1:], -trees.validation_score_[1:]  # from no tree on
        return Grown(
            _Model(trees, task),
            losses,
            held_out,
            ended(len(losses), config, clock.over),
            float(trees.learning_rate),
        )

    def stages(self, model: _Model, rows: Features, every: int) -> Iterator[Array]:
        """Raw scores after so many rounds, twice as many, ..., and after the last."""
        trees = model.trees
        staged = getattr(trees, "staged_decision_function", None) or trees.staged_predict
        for number, raw in enumerate(staged(columns(rows)), start=1):
            if number % every == 0 or number == trees.n_iter_:
                yield raw

    def file(self, model: _Model, rounds: int, job: FitJob) -> bytes:
        """skops' file of as many rounds."""
        trees = model.trees
        if rounds < trees.n_iter_:
            trees = clone(trees).set_params(max_iter=rounds, early_stopping=False, warm_start=False)
            _learn(trees, model.task, self.config.threads)
        return written(trees)

    def _stops(self, trees: Boosted, clock: Clock) -> Iterator[int]:
        """Rounds after which to look at the clock: as many again, where there is time for them.

        Each start costs the binning of all rows; without a time limit there is one.
        """
        if clock.deadline is None:
            yield self.config.rounds
            return
        rounds, run = 0, 1
        while run:
            began = time.monotonic()
            stop = min(rounds + run, self.config.rounds)
            yield stop
            now, before, rounds = time.monotonic(), rounds, trees.n_iter_
            if rounds < stop or rounds == self.config.rounds or self._stalled(trees):
                return
            seconds = (now - began) / (rounds - before)  # of each
            run = min(rounds, max(0, int((clock.deadline - now) / seconds)))
        clock.over = True

    def _stalled(self, trees: Boosted) -> bool:
        """Whether the loss on the validation rows has become no smaller for long enough."""
        scores = trees.validation_score_
        return len(scores) > 0 and len(scores) - 1 - scores.argmax() >= self.config.patience

    def _params(self, task: Task) -> dict[str, Any]:
        config = self.config
        width = task.train[0].numbers.shape[1]
        codes = task.train[0].codes.shape[1]
        wished = {"learning_rate": config.learning_rate, "l2_regularization": config.l2}
        return {
            "max_leaf_nodes": config.leaves,
            "min_samples_leaf": config.min_rows,
            "max_features": config.feature_share,
            "categorical_features": list(range(width, width + codes)) or None,
            "random_state": task.seed % 2**32,
            **{key: value for key, value in wished.items() if value is not None},
        }


@dataclass(frozen=True)
class _Model:
    """Grown trees, and what they grew on."""

    trees: Boosted
    task: Task


def _untrained(goal: Goal, params: dict[str, Any]) -> Boosted:
    if goal.loss in ("binary", "multiclass"):
        return HistGradientBoostingClassifier(**params)
    losses = {"mse": "squared_error", "mae": "absolute_error"}
    return HistGradientBoostingRegressor(
        losses.get(goal.loss, goal.loss), quantile=goal.setting, **params
    )


def _learn(
    trees: Boosted,
    task: Task,
    threads: int | None,
    held: tuple[Features, Array] | None = None,
) -> None:
    features, truth, weight = with_all_classes(task)
    watched = {} if held is None else {"X_val": columns(held[0]), "y_val": held[1]}
    with threadpool_limits(threads, user_api="openmp"):
        trees.fit(columns(features), truth, weight, **watched)
