"""Members on folds: each row is answered by models that have not seen it."""

from __future__ import annotations

import time

import numpy as np

from mm_core.api import FitJob, FitRows
from mm_ensemble.configs import BaggedConfig
from mm_ensemble.fitting import Ensemble, Tried, answers
from mm_ensemble.members import Candidate
from mm_ensemble.turns import folds, share
from mm_ensemble.votes import Array, Votes, mean


class Bagged(Ensemble):
    """Fits every member on all folds but one, for each fold, which is what it stops by.

    Weights are chosen on what the models say of the folds that they left out; where the user gave
    validation rows, on what their means say of those.
    """

    config: BaggedConfig

    def attempt(self, job: FitJob, candidate: Candidate, left: int) -> Tried:
        """A model for each fold."""
        count = self.config.folds
        fold_of = folds(job, count)
        given = None if job.validation is None else candidate.rows(job, job.validation.table)
        models, parts = [], []
        began, answering, answered = time.monotonic(), 0.0, 0
        for fold in range(count):
            held, rest = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
            validation = candidate.rows(job, job.train.table.take(held))
            train = candidate.rows(job, job.train.table.take(rest))
            turns = (left - 1) * count + count - fold
            fitted = job.submodel(candidate.settings, train, validation, share(job.deadline, turns))
            scored = validation if given is None else given
            votes, seconds = answers(fitted, scored)
            models.append(fitted)
            parts.append((held, votes))
            answering += seconds
            answered += len(scored)
        took = time.monotonic() - began - answering
        whole = _together(parts, len(fold_of)) if given is None else mean([one for _, one in parts])
        return Tried(models, whole, took, count * answering / answered)

    def scored_rows(self, job: FitJob) -> FitRows:
        """The user's validation rows; without them all training rows."""
        return job.train if job.validation is None else job.validation


def _together(parts: list[tuple[Array, Votes]], rows: int) -> Votes:
    """The votes of all rows, in their order."""
    first = parts[0][1]
    values = np.zeros((rows, first.values.shape[1]))
    for held, votes in parts:
        values[held] = votes.values
    return Votes(values, first.kind)
