"""Boosting by LightGBM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lightgbm as lgb
import numpy as np

from mm_core.api import FitJob, TrainingError
from mm_trees.configs import LightGBMConfig
from mm_trees.features import Array, Features, matrix
from mm_trees.fitting import Clock, Grown, Task, Trees, ended
from mm_trees.goals import Goal
from mm_trees.lightgbm_engine import LightGBMEngine

RATE = 0.05


class LightGBMTrees(Trees):
    """Fits LightGBM on the arrays of tables."""

    config: LightGBMConfig
    engine = LightGBMEngine

    def grow(self, task: Task) -> Grown:
        """Boost one model.

        Raises:
            TrainingError: LightGBM cannot learn from these rows.
        """
        features, truth, weight = task.train
        width = features.numbers.shape[1]
        data = lgb.Dataset(
            matrix(features),
            truth,
            weight=weight,
            categorical_feature=list(range(width, width + features.codes.shape[1])),
            free_raw_data=False,
            params=self._params(task),
        )
        watched, names = [data], ["train"]
        curves: dict[str, dict[str, list[float]]] = {}
        clock = _Clock(task.deadline)
        callbacks: list[Any] = [lgb.record_evaluation(curves), clock]
        if task.validation is not None:
            held, answers = task.validation
            watched.append(lgb.Dataset(matrix(held), answers, reference=data, free_raw_data=False))
            names.append("held_out")
            callbacks.append(_Patience(self.config.patience))
        try:
            model = lgb.train(
                self._params(task),
                data,
                num_boost_round=self.config.rounds,
                valid_sets=watched,
                valid_names=names,
                callbacks=callbacks,
            )
        except lgb.basic.LightGBMError as error:
            raise TrainingError(
                f"LightGBM cannot learn from these rows: {error}",
                plugin="trees:lightgbm",
                remedy="choose another fitter: fit=trees:catboost or fit=core:finetune",
            ) from error
        model.best_iteration = 0  # the rounds are counted here
        (losses,) = curves["train"].values()
        (held_out,) = curves.get("held_out", {"": []}).values()
        rate = float(self._params(task)["learning_rate"])
        return Grown(model, losses, held_out, ended(len(losses), self.config, clock.over), rate)

    def stages(self, model: lgb.Booster, rows: Features, every: int) -> Iterator[Array]:
        """Raw scores after so many rounds, twice as many, ..., and after the last."""
        data, total = matrix(rows), model.current_iteration()
        raw: Any = 0.0
        for start in range(0, total, every):  # only the trees that are new
            raw = raw + model.predict(
                data, raw_score=True, start_iteration=start, num_iteration=every
            )
            yield np.asarray(raw)

    def file(self, model: lgb.Booster, rounds: int, job: FitJob) -> bytes:
        """LightGBM's text file."""
        return str(model.model_to_string(num_iteration=rounds)).encode()

    def _params(self, task: Task) -> dict[str, Any]:
        config = self.config
        return {
            **_objective(task.goal),
            "learning_rate": RATE if config.learning_rate is None else config.learning_rate,
            "num_leaves": config.leaves,
            "min_data_in_leaf": config.min_rows,
            "feature_fraction": config.feature_share,
            "lambda_l2": config.l2 or 0.0,
            "num_threads": config.threads or 0,
            "seed": task.seed % 2**31,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }


def _objective(goal: Goal) -> dict[str, Any]:
    if goal.loss == "multiclass":
        return {"objective": "multiclass", "num_class": goal.outputs}
    named = {"mse": "regression", "mae": "regression_l1"}
    found: dict[str, Any] = {"objective": named.get(goal.loss, goal.loss)}
    return found if goal.setting is None else {**found, "alpha": goal.setting}


class _Clock(Clock):
    """Called by LightGBM after each round, whose losses stand in the record by then: ends it when
    the time is over.
    """

    def __init__(self, deadline: float | None) -> None:
        super().__init__(deadline)
        self.order = 40  # of the instance: LightGBM does not look at the class

    def __call__(self, env: Any) -> None:
        if self.look():
            _end(env)


class _Patience:
    """Called likewise: ends it when the loss on the validation rows gets no smaller."""

    def __init__(self, patience: int) -> None:
        self.order = 30
        self._patience, self._least, self._round = patience, np.inf, 0

    def __call__(self, env: Any) -> None:
        loss = env.evaluation_result_list[-1][2]
        if loss < self._least:
            self._least, self._round = loss, env.iteration
        if env.iteration - self._round >= self._patience:
            _end(env)


def _end(env: Any) -> None:
    raise lgb.callback.EarlyStopException(env.iteration, env.evaluation_result_list)
