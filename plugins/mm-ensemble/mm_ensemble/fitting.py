"""Members are fitted one after the other, and weighed by what they say of other rows."""

from __future__ import annotations

import math
import time
import warnings
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

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
from mm_ensemble.models import Member, Models, Second
from mm_ensemble.refitting import refitted
from mm_ensemble.selecting import select
from mm_ensemble.stacking import Said
from mm_ensemble.turns import share
from mm_ensemble.votes import Votes, check_has_mean, mean, votes_of

AS_FOUND = RunSettings()
FEW = 300
"""Rows on which a choice of weights says little."""


@dataclass(frozen=True)
class Tried:
    """A member that was fitted.

    Attributes:
        models: one, or one a fold.
        votes: what it says of the rows that weights are chosen on.
        fit_seconds: it took.
        row_seconds: that an answer takes, in such a batch.
        unseen: what it says of the training rows, of each by models that have not seen it; None:
            there is no second layer that would read it.
    """

    models: Sequence[Fitted]
    votes: Votes
    fit_seconds: float
    row_seconds: float
    unseen: Votes | None = None


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

    def second(self, job: FitJob) -> list[Candidate]:
        """Members of a second layer; unless overridden: none."""
        return []

    def attempt_second(
        self, job: FitJob, candidate: Candidate, left: int, first: Mapping[str, Tried], said: Said
    ) -> Tried:
        """Fit one of them, on what the first layer says of rows; where there are some."""
        raise NotImplementedError

    def fit(self, job: FitJob) -> FitResult:
        """All members are planned first, so that a wrong setting of the last is told at once."""
        started = time.monotonic()
        check_has_mean(job)
        wanted, left_out = candidates(job, self.config)
        above = self.second(job)
        first: dict[str, Tried] = {}
        for place, candidate in enumerate(wanted):
            left = len(wanted) + len(above) - place
            attempt = partial(self.attempt, job, candidate, left)
            _try(job, candidate.name, attempt, first, left_out, only=len(wanted) == 1)
        if not first:
            raise TrainingError(
                "no member of the ensemble could be fitted",
                plugin=job.model.recipe.fit.id,
                remedy="fit one by itself to see more: fit=core:finetune",
            )
        said = Said.beside(first, job.train.table.frame.columns)
        tried = dict(first)
        for place, candidate in enumerate(above):
            left = len(above) - place
            attempt = partial(self.attempt_second, job, candidate, left, first, said)
            _try(job, candidate.name, attempt, tried, left_out, only=False)
        weights, record = self._weighed(job, tried, started)
        engine, anew = self._engine(job, wanted, first, tried, weights, said)
        alone = {name: record.get(f"{name}.{job.metric}", math.nan) for name in tried}
        told = _told(job, tried, weights, alone, left_out, len(self.scored_rows(job)))
        return FitResult(
            history=[record],
            best_score=record.get(job.metric),
            stopped="; ".join(filter(None, [told, anew])),
            engine=engine,
        )

    def _weighed(
        self, job: FitJob, tried: Mapping[str, Tried], started: float
    ) -> tuple[dict[str, float], dict[str, float]]:
        """The weights of those that have some, and the record of the fit."""
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
        return weights, record

    def _engine(
        self,
        job: FitJob,
        wanted: Sequence[Candidate],
        first: Mapping[str, Tried],
        tried: Mapping[str, Tried],
        weights: Mapping[str, float],
        said: Said,
    ) -> tuple[Models, str]:
        """What answers, and what is to be told of members that were fitted anew."""

        def members(among: Collection[str]) -> dict[str, Member]:
            return {
                name: Member(one.models, weights.get(name, 0.0))
                for name, one in tried.items()
                if name in among
            }

        asked = set(weights)
        if asked - set(first):
            asked |= set(first)  # whatever they weigh: the second layer reads what they say
        kept = set(tried) if self.config.keep else asked
        above = members(kept - set(first))
        second = Second(above, said if above else Said())
        if not self.config.refit:
            return Models(members(kept & set(first)), second), ""
        anew = refitted(
            job,
            {one.name: one for one in wanted if one.name in asked},
            {name: first[name].models for name in first},
            {name: one.fit_seconds / len(one.models) for name, one in first.items()},
        ).without([name for name in weights if name not in first], "of the second layer")
        return Models(members(kept & set(first)), second, anew.models), anew.told


def _try(
    job: FitJob,
    name: str,
    attempt: Callable[[], Tried],
    tried: dict[str, Tried],
    left_out: dict[str, str],
    *,
    only: bool,
) -> None:
    """Fit a member, or note why it is left out."""
    if tried and job.deadline is not None and time.monotonic() >= job.deadline:
        left_out[name] = "no time left"
        return
    try:
        tried[name] = attempt()
    except TrainingError as error:
        if only:
            raise
        left_out[name] = "it could not be fitted"
        warnings.warn(
            f"the member {name} of the ensemble is left out: {error}", MMWarning, stacklevel=2
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
