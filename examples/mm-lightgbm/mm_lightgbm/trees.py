"""Boosting: rounds of trees until the validation score gets no better."""

from __future__ import annotations

import time
from typing import Any

import lightgbm as lgb
from mm_core.api import ConfigError, FitJob, FitResult, Fitter, MetricError

from mm_lightgbm.booster import TreeEngine, logits
from mm_lightgbm.configs import TreesConfig
from mm_lightgbm.features import Array, categorical, stacked

_ROWS = 4096


class Trees(Fitter):
    """Fits LightGBM on the arrays of tables."""

    config: TreesConfig

    def fit(self, job: FitJob) -> FitResult:
        """Boost until the score gets no better, the time is over, or all rounds are done."""
        features, targets, weight = stacked(job.plain(job.train, _ROWS))
        objective, target, outputs = _objective(job, targets)
        codes, _ = categorical(job.model.processors)
        data = lgb.Dataset(
            features,
            target,
            weight=weight,
            categorical_feature=codes,
            free_raw_data=False,
            params={"verbose": -1},
        )
        follow = _Follow(job, self.config, outputs)
        booster = lgb.train(
            {**self._params(job), **objective},
            data,
            num_boost_round=self.config.rounds,
            callbacks=[follow],
            keep_training_booster=True,
        )
        best = follow.best_round or booster.current_iteration()
        return FitResult(
            history=follow.history,
            best_score=follow.best_score,
            stopped=follow.stopped or f"all {self.config.rounds} rounds",
            engine=TreeEngine(booster.model_to_string(num_iteration=best), outputs),
        )

    def _params(self, job: FitJob) -> dict[str, Any]:
        config = self.config
        return {
            "learning_rate": config.learning_rate,
            "num_leaves": config.leaves,
            "min_data_in_leaf": config.min_rows,
            "feature_fraction": config.feature_share,
            "lambda_l2": config.l2,
            "num_threads": config.threads or 0,
            "seed": job.model.recipe.training.seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }


def _objective(job: FitJob, targets: Any) -> tuple[dict[str, Any], Array, int]:
    """Parameters of the loss, the target it reads, and the width of the logits."""
    outputs = job.model.task.output_dim
    if "class" in targets and outputs == 2:
        return {"objective": "binary"}, targets["class"], outputs
    if "class" in targets:
        return {"objective": "multiclass", "num_class": outputs}, targets["class"], outputs
    if "value" in targets and outputs == 1:
        return {"objective": "regression"}, targets["value"], outputs
    raise ConfigError(
        f"trees learn one class or one number a row, and {job.model.recipe.task.id} asks for "
        f"{', '.join(targets)}",
        plugin="lightgbm:trees",
        value=job.model.recipe.task.id,
        remedy="choose another fitter: fit=core:finetune",
    )


class _Follow:
    """Called by LightGBM after each round: scores, the best round, and when to stop.

    Attributes:
        history: one record a validation.
        best_round: rounds of the best score; 0: there is none.
        best_score: or None.
        stopped: why, in words; empty: all rounds were done.
    """

    def __init__(self, job: FitJob, config: TreesConfig, outputs: int) -> None:
        self.history: list[dict[str, float]] = []
        self.best_round = 0
        self.best_score: float | None = None
        self.stopped = ""
        self._job, self._config, self._outputs = job, config, outputs
        self._started = time.monotonic()
        self._rows = None if job.validation is None else stacked(job.plain(job.validation, _ROWS))
        self._raw: Any = 0.0
        self._counted = 0

    def __call__(self, env: Any) -> None:
        done = env.iteration + 1
        job, config = self._job, self._config
        if job.deadline is not None and time.monotonic() > job.deadline:
            self._end("the time limit", done)
        if done % config.validate_every and done != config.rounds and not self.stopped:
            return
        record = {
            "epoch": float(done),
            "step": float(done),
            "seconds": time.monotonic() - self._started,
            "loss": float(env.model.eval_train()[0][2]),
        }
        self.history.append(record)
        self._score(env.model, record, done)
        if self.best_round and done - self.best_round >= config.patience:
            self._end(f"no better {job.metric} in {config.patience} rounds", done)
        if self.stopped:
            raise lgb.callback.EarlyStopException(done - 1, [])

    def _score(self, booster: lgb.Booster, record: dict[str, float], done: int) -> None:
        if self._rows is None:
            return
        # Only the trees that are new: all of them each time would cost the square of the rounds.
        self._raw = self._raw + booster.predict(
            self._rows[0],
            start_iteration=self._counted,
            num_iteration=done - self._counted,
            raw_score=True,
        )
        self._counted = done
        try:
            score = self._job.score({"logits": logits(self._raw, self._outputs)})
        except MetricError:  # not defined for these answers: no better
            return
        record[self._job.metric] = score
        sign = 1 if self._job.higher_is_better else -1
        if self.best_score is None or sign * score > sign * self.best_score:
            self.best_score, self.best_round = score, done

    def _end(self, why: str, done: int) -> None:
        self.stopped = f"{why} (round {done})"
