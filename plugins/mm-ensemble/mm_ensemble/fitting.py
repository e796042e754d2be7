"""Members are fitted one after the other, and weighed by what they say of other rows."""

from __future__ import annotations

import math
import time
import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mm_core.api import (
    FitJob,
    FitResult,
    FitRows,
    Fitted,
    Fitter,
    MetricError,
    MMWarning,
    RunSettings,
    Table,
    TrainingError,
)
from mm_ensemble.configs import EnsembleConfig
from mm_ensemble.members import Candidate, candidates
from mm_ensemble.models import Member, Models
from mm_ensemble.selecting import select
from mm_ensemble.turns import share
from mm_ensemble.votes import Votes, check_has_mean, constant_of, mean, votes_of

AS_FOUND = RunSettings()
FEW = 300
"""Rows on which a choice of weights says little."""
LOWER = 1 / 3
_RATES = ("learning_rate", "head_learning_rate")


@dataclass(frozen=True)
class Tried:
    """A member that was fitted.

    Attributes:
        models: one, or one a fold.
        votes: what it says of the rows that weights are chosen on.
        fit_seconds: it took.
        row_seconds: that an answer takes, in such a batch.
    """

    models: Sequence[Fitted]
    votes: Votes
    fit_seconds: float
    row_seconds: float


class Ensemble(Fitter):
    """Fits members in their order while there is time, and chooses their weights."""

    config: EnsembleConfig

    @abstractmethod
    def attempt(self, job: FitJob, candidate: Candidate, left: int) -> Tried:
        """Fit a member.

        Args:
            job: of the ensemble.
            candidate: what to fit.
            left: members that are still to be fitted, this one among them: the time is shared.
        """

    @abstractmethod
    def scored_rows(self, job: FitJob) -> FitRows:
        """The rows that weights are chosen on: no member learned from what it says of them."""

    def fit(self, job: FitJob) -> FitResult:
        """All members are planned first, so that a wrong setting of the last is told at once."""
        started = time.monotonic()
        check_has_mean(job)
        wanted, left_out = candidates(job, self.config)
        tried: dict[str, Tried] = {}
        for place, candidate in enumerate(wanted):
            if tried and job.deadline is not None and time.monotonic() >= job.deadline:
                left_out[candidate.name] = "no time left"
                continue
            try:
                tried[candidate.name] = self._steadily(job, candidate, len(wanted) - place)
            except TrainingError as error:
                if len(wanted) == 1:
                    raise
                left_out[candidate.name] = "it could not be fitted"
                warnings.warn(
                    f"the member {candidate.name} of the ensemble is left out: {error}",
                    MMWarning,
                    stacklevel=2,
                )
        if not tried:
            raise TrainingError(
                "no member of the ensemble could be fitted",
                plugin=job.model.recipe.fit.id,
                remedy="fit one by itself to see more: fit=core:finetune",
            )
        return self._weighed(job, tried, left_out, started)

    def _steadily(self, job: FitJob, candidate: Candidate, left: int) -> Tried:
        """Fit a member; a network that came to nothing once more, at lower learning rates."""
        first = self.attempt(job, candidate, left)
        over = job.deadline is not None and time.monotonic() >= job.deadline
        if not candidate.network or over or not self._diverged(job, first):
            return first
        warnings.warn(
            f"the member {candidate.name} of the ensemble is no better than a constant answer: it "
            f"is fitted once more, at {LOWER:.2g} of its learning rates",
            MMWarning,
            stacklevel=2,
        )
        training = job.plan(candidate.settings).training
        rates = {f"training.{key}": LOWER * getattr(training, key) for key in _RATES}
        settings = {**candidate.settings, **rates}
        second = self.attempt(job, replace(candidate, settings=settings), left)
        took = first.fit_seconds + second.fit_seconds
        kept = first if self._diverged(job, second) else second
        return replace(kept, fit_seconds=took)

    def _diverged(self, job: FitJob, tried: Tried) -> bool:
        """Whether a member scores no better than the training rows' mean as the answer to all."""
        rows = self.scored_rows(job)
        try:
            own = job.score({"logits": tried.votes.logits}, rows=rows)
            constant = job.score({"logits": constant_of(job, len(rows)).logits}, rows=rows)
        except MetricError:  # not defined for answers that are all the same
            return False
        return own <= constant if job.higher_is_better else own >= constant

    def _weighed(
        self, job: FitJob, tried: Mapping[str, Tried], left_out: Mapping[str, str], started: float
    ) -> FitResult:
        rows = self.scored_rows(job)
        sign = 1 if job.higher_is_better else -1

        def score(counts: Mapping[str, float]) -> float:
            votes = mean([tried[name].votes for name in counts], list(counts.values()))
            try:
                return sign * job.score({"logits": votes.logits}, rows=rows)
            except MetricError:  # not defined for these answers
                return -math.inf

        weights = select(list(tried), score, self.config.steps)
        alone = {name: sign * score({name: 1}) for name in tried}
        whole = sign * score(weights)  # any multiple is the same mean
        record = {
            "epoch": 1.0,
            "step": float(len(tried)),
            "seconds": time.monotonic() - started,
            **({job.metric: whole} if math.isfinite(whole) else {}),
        }
        for name, one in tried.items():
            if math.isfinite(alone[name]):
                record[f"{name}.{job.metric}"] = alone[name]
            record[f"{name}.weight"] = weights.get(name, 0.0)
            record[f"{name}.fit_seconds"] = one.fit_seconds
            record[f"{name}.row_seconds"] = one.row_seconds
        return FitResult(
            history=[record],
            best_score=record.get(job.metric),
            stopped=_told(job, tried, weights, alone, left_out, len(rows)),
            engine=Models(
                {
                    name: Member(one.models, weights.get(name, 0.0))
                    for name, one in tried.items()
                    if name in weights or self.config.keep
                }
            ),
        )


class Greedy(Ensemble):
    """Each member learns from the training rows; the held-out rows stop it, and weigh it."""

    def attempt(self, job: FitJob, candidate: Candidate, left: int) -> Tried:
        """One model."""
        held = candidate.rows(job, self.scored_rows(job).table)
        train = candidate.rows(job, job.train.table)
        began = time.monotonic()
        fitted = job.submodel(candidate.settings, train, held, share(job.deadline, left))
        took = time.monotonic() - began
        votes, seconds = answers(fitted, held)
        return Tried([fitted], votes, took, seconds / len(held))

    def scored_rows(self, job: FitJob) -> FitRows:
        """The held-out rows."""
        assert job.validation is not None  # FitterSpec.holds_out
        return job.validation


def answers(model: Fitted, table: Table) -> tuple[Votes, float]:
    """What a model says of rows, and the seconds that it takes."""
    began = time.monotonic()
    votes, _ = votes_of(model.model, table, AS_FOUND)
    return votes, time.monotonic() - began


def _told(
    job: FitJob,
    tried: Mapping[str, Tried],
    weights: Mapping[str, float],
    alone: Mapping[str, float],
    left_out: Mapping[str, str],
    rows: int,
) -> str:
    """The members, their weights, scores and pace; who has no part; on how many rows."""

    def member(name: str) -> str:
        pace = f"{1e3 * tried[name].row_seconds:.2g} ms a row"
        return f"({job.metric} {alone[name]:.4f}, {pace})"

    said = ", ".join(f"{name} {weights[name]:.2f} {member(name)}" for name in weights)
    idle = [f"{name} {member(name)}" for name in tried if name not in weights]
    parts = [f"weights {said}", *([f"of no weight {', '.join(idle)}"] if idle else [])]
    if left_out:
        parts.append("left out " + ", ".join(f"{name} ({why})" for name, why in left_out.items()))
    parts.append(f"chosen on {rows} rows" + (", which is few" if rows < FEW else ""))
    return "; ".join(parts)
