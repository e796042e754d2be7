"""Boosting by CatBoost."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from catboost import CatBoost, CatBoostError

from mm_core.api import FitJob, MMWarning, TrainingError
from mm_trees.catboost_engine import CatBoostEngine, as_json, pool
from mm_trees.configs import CatBoostConfig
from mm_trees.features import Array, Features
from mm_trees.fitting import Clock, Grown, Task, Trees, ended, with_all_classes
from mm_trees.goals import Goal


class CatBoostTrees(Trees):
    """Fits CatBoost on the arrays of tables."""

    config: CatBoostConfig
    engine = CatBoostEngine

    def grow(self, task: Task) -> Grown:
        """Boost one model.

        Raises:
            TrainingError: CatBoost cannot learn from these rows.
        """
        model = CatBoost(self._params(task))
        clock = _Clock(task.deadline)
        held = task.validation
        try:
            model.fit(
                pool(*with_all_classes(task)),
                eval_set=None if held is None else pool(*held),
                use_best_model=False,
                early_stopping_rounds=None if held is None else self.config.patience,
                callbacks=self._callbacks(clock),
            )
        except CatBoostError as error:
            gpu = self.config.device == "gpu"
            raise TrainingError(
                f"CatBoost cannot learn {'on a GPU' if gpu else 'from these rows'}: {error}",
                plugin="trees:catboost",
                remedy="fit.device=cpu"
                if gpu
                else "choose another fitter: fit=trees:lightgbm or fit=core:finetune",
            ) from error
        curves = model.get_evals_result()
        (losses,) = curves["learn"].values()
        held_out = [] if held is None else next(iter(curves["validation"].values()))
        rate = float(model.get_all_params()["learning_rate"])
        return Grown(model, losses, held_out, ended(len(losses), self.config, clock.over), rate)

    def stages(self, model: CatBoost, rows: Features, every: int) -> Iterator[Array]:
        """Raw scores after so many rounds, twice as many, ..., and after the last."""
        yield from model.staged_predict(
            pool(rows), prediction_type="RawFormulaVal", eval_period=every
        )

    def file(self, model: CatBoost, rounds: int, job: FitJob) -> bytes:
        """CatBoost's JSON."""
        if rounds < model.tree_count_:
            model.shrink(rounds)
        return as_json(model, job.folder)

    def _params(self, task: Task) -> dict[str, Any]:
        config = self.config
        wished = {
            "learning_rate": config.learning_rate,
            "l2_leaf_reg": config.l2,
            "thread_count": config.threads,
            "classes_count": task.goal.outputs if task.goal.loss == "multiclass" else None,
        }
        return {
            "loss_function": _loss(task.goal),
            "iterations": config.rounds,
            "depth": config.depth,
            "random_seed": task.seed % 2**31,
            "task_type": config.device.upper(),
            "allow_writing_files": False,  # it would leave a folder where the user works
            "logging_level": "Silent",
            **{key: value for key, value in wished.items() if value is not None},
        }

    def _callbacks(self, clock: _Clock) -> list[_Clock] | None:
        if clock.deadline is None:
            return None
        if self.config.device == "gpu":
            warnings.warn(
                "CatBoost cannot be stopped on a GPU: time_limit is kept only between labels "
                "(fewer rounds: fit.rounds)",
                MMWarning,
                stacklevel=2,
            )
            return None
        return [clock]


class _Clock(Clock):
    """Called by CatBoost after each round: False ends it."""

    def after_iteration(self, info: Any) -> bool:
        return not self.look()


def _loss(goal: Goal) -> str:
    return {
        "binary": "Logloss",
        "multiclass": "MultiClass",
        "mse": "RMSE",
        "mae": "MAE",
        "huber": f"Huber:delta={goal.setting}",
        "quantile": f"Quantile:alpha={goal.setting}",
    }[goal.loss]
