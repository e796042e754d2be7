"""Members on folds: each row is answered by models that have not seen it, and scored so."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from mm_core.api import ConfigError, FitJob, FitResult, Fitted, Fitter, MetricError, RunSettings

from mm_bag.configs import BagConfig
from mm_bag.models import Models
from mm_bag.votes import Array, Votes, mean, votes_of

AS_FOUND = RunSettings()


class Bag(Fitter):
    """Fits every member on all folds but one, for each fold.

    The fold left out is what the members stop by, and what they are scored on.
    """

    config: BagConfig

    def fit(self, job: FitJob) -> FitResult:
        """Plan all members first, so that a wrong setting of the last is told at once."""
        started = time.monotonic()
        recipes = self.config.recipes
        for recipe in recipes.values():
            job.plan(recipe)
        fold_of = folds(job, self.config.folds)
        members: dict[str, list[Fitted]] = {name: [] for name in recipes}
        seen: dict[str, Votes] = {}
        left = len(recipes) * self.config.folds
        for fold in range(self.config.folds):
            held = np.flatnonzero(fold_of == fold)
            rest = np.flatnonzero(fold_of != fold)
            train, validation = (job.train.table.take(rows) for rows in (rest, held))
            for name, recipe in recipes.items():
                fitted = job.submodel(recipe, train, validation, _share(job.deadline, left))
                votes, _ = votes_of(fitted.model, validation, AS_FOUND)
                seen[name] = _put(seen.get(name), votes, held, len(fold_of))
                members[name].append(fitted)
                left -= 1
        engine = Models(members)
        record = {
            "epoch": float(self.config.folds),
            "step": float(sum(map(len, members.values()))),
            "seconds": time.monotonic() - started,
            **_scores(job, seen),
        }
        return FitResult(
            history=[record],
            best_score=record.get(job.metric),
            stopped=f"{len(members)} member(s) on {self.config.folds} folds",
            engine=engine,
        )


def folds(job: FitJob, count: int) -> Array:
    """int [N], the fold of each training row, each class spread over all.

    Raises:
        ConfigError: there are fewer rows than folds.
    """
    rows, task = len(job.train), job.model.task
    if rows < 2 * count:
        raise ConfigError(
            f"{rows} rows are too few for {count} folds", value=count, remedy="set fit.folds=2"
        )
    order = np.random.default_rng(job.model.recipe.training.seed).permutation(rows)
    strata = task.strata(job.train.encoded.targets)
    if strata is not None:
        order = order[np.argsort(np.asarray(strata)[order], kind="stable")]
    found = np.empty(rows, dtype=np.int64)
    found[order] = np.arange(rows) % count
    return found


def _share(deadline: float | None, left: int) -> float | None:
    """When the next of so many fits is to stop; None: when it is done."""
    now = time.monotonic()
    return None if deadline is None else now + max(0.0, deadline - now) / left


def _put(whole: Votes | None, part: Votes, rows: Array, n: int) -> Votes:
    """The votes of some rows among those of all ``n``."""
    if whole is None:
        whole = Votes(np.zeros((n, part.values.shape[1])), part.kind)
    whole.values[rows] = part.values
    return whole


def _scores(job: FitJob, seen: Mapping[str, Votes]) -> dict[str, float]:
    """Out-of-fold scores: of the mean by the metric's name, of each member as ``name.metric``.

    Raises:
        ConfigError: the task does not decode what the members said to what they said.
    """
    together = mean(list(seen.values()))
    again = job.model.pipeline.decode({"logits": together.logits}, {}).proba
    if again is not None and not np.allclose(again, together.values, atol=1e-4):
        raise ConfigError(
            f"probabilities of {job.model.recipe.task.id} have no mean that it could read",
            plugin="bag:bag",
            value=job.model.recipe.task.id,
            remedy="choose another fitter: fit=core:finetune",
        )
    named: dict[str, Votes] = {job.metric: together}
    named |= {f"{name}.{job.metric}": votes for name, votes in seen.items()}
    found: dict[str, float] = {}
    for name, votes in named.items():
        try:
            found[name] = job.score({"logits": votes.logits}, rows=job.train)
        except MetricError:  # not defined for these answers
            continue
    return found
