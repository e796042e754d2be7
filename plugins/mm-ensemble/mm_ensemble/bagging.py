"""Members on folds: each row is answered by models that have not seen it."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from mm_core.api import FitJob, FitRows, Table
from mm_ensemble.columns import beside
from mm_ensemble.configs import BaggedConfig
from mm_ensemble.fitting import Ensemble, Tried, answers
from mm_ensemble.members import Candidate, of_second
from mm_ensemble.stacking import Said
from mm_ensemble.turns import folds, share
from mm_ensemble.votes import Array, Votes, mean


class Bagged(Ensemble):
    """Fits every member on all folds but one, for each fold, which is what it stops by.

    Weights are chosen on what the models say of the folds that they left out; where the user gave
    validation rows, on what their means say of those. Members of a second layer read what those of
    the first say of a row that they have not seen.
    """

    config: BaggedConfig

    def attempt(self, job: FitJob, candidate: Candidate, left: int) -> Tried:
        """A model for each fold."""
        given = None if job.validation is None else job.validation.table
        return self._on_folds(job, candidate, left, job.train.table, given)

    def scored_rows(self, job: FitJob) -> FitRows:
        """The user's validation rows; without them all training rows."""
        return job.train if job.validation is None else job.validation

    def second(self, job: FitJob) -> list[Candidate]:
        """The members of the second layer."""
        return of_second(job, self.config)

    def attempt_second(
        self, job: FitJob, candidate: Candidate, left: int, first: Mapping[str, Tried], said: Said
    ) -> Tried:
        """On the same folds, with the columns of what was said of each row unseen."""
        unseen = said.columns({name: first[name].unseen for name in said.members})
        train, given = beside(job.train.table, [unseen]), None
        if job.validation is not None:
            votes = said.columns({name: first[name].votes for name in said.members})
            given = beside(job.validation.table, [votes])
        return self._on_folds(job, candidate, left, train, given)

    def _on_folds(
        self, job: FitJob, candidate: Candidate, left: int, rows: Table, given: Table | None
    ) -> Tried:
        """A model for each fold of ``rows``, and what they say of it and of ``given`` ones."""
        count = self.config.folds
        fold_of = folds(job, count)
        scored = None if given is None else candidate.rows(job, given)
        looks = scored is None or bool(self.config.second)  # at what is said of rows unseen
        models, parts, told = [], [], []
        began, answering, answered = time.monotonic(), 0.0, 0
        for fold in range(count):
            held, rest = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
            validation = candidate.rows(job, rows.take(held))
            train = candidate.rows(job, rows.take(rest))
            turns = (left - 1) * count + count - fold
            fitted = job.submodel(candidate.settings, train, validation, share(job.deadline, turns))
            models.append(fitted)
            for table, into in ((validation if looks else None, parts), (scored, told)):
                if table is not None:
                    votes, seconds = answers(fitted, table)
                    into.append(votes)
                    answering += seconds
                    answered += len(table)
        took = time.monotonic() - began - answering
        unseen = _together(parts, fold_of) if looks else None
        votes = mean(told) if told or unseen is None else unseen
        return Tried(models, votes, took, count * answering / answered, unseen)


def _together(parts: list[Votes], fold_of: Array) -> Votes:
    """The votes of all rows, in their order, from those of each fold."""
    values = np.zeros((len(fold_of), parts[0].values.shape[1]))
    for fold, votes in enumerate(parts):
        values[fold_of == fold] = votes.values
    return Votes(values, parts[0].kind)
