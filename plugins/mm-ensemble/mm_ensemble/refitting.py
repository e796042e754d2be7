"""Members fitted anew on all rows, the held-out ones too, for as long as it took them at first."""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api import FitJob, Fitted, MMWarning, Table, TrainingError
from mm_ensemble.members import NETWORK, Candidate
from mm_ensemble.turns import share


@dataclass(frozen=True)
class Refits:
    """What came of it.

    Attributes:
        models: member -> its model of all rows.
        kept: member -> why it stays as it was fitted first.
        rows: that they learned from.
    """

    models: Mapping[str, Fitted]
    kept: Mapping[str, str]
    rows: int

    def without(self, names: Collection[str], why: str) -> Refits:
        """The same, with others that stay as they are."""
        return replace(self, kept={**self.kept, **dict.fromkeys(names, why)})

    @property
    def told(self) -> str:
        """In words."""
        names = ", ".join(self.models) or "nobody"
        rest = ", ".join(f"{name} ({why})" for name, why in self.kept.items())
        return f"fitted anew on all {self.rows} rows: {names}" + (f"; not {rest}" if rest else "")


def refitted(
    job: FitJob,
    wanted: Mapping[str, Candidate],
    first: Mapping[str, Sequence[Fitted]],
    seconds: Mapping[str, float],
) -> Refits:
    """Fit members on the rows of training and those that were held out.

    The held-out rows do not stop a member now: it has seen them. What stops it is how long the
    first fit took to its best validation, in epochs or rounds; the trees' rate is that of then.

    Args:
        job: of the ensemble.
        wanted: the members, by name.
        first: their models; of several, folds, the mean of their lengths counts.
        seconds: that one such model took.
    """
    if job.validation is not None and job.validation.table.folder != job.train.table.folder:
        why = "relative paths of the validation rows start at another folder"
        return Refits({}, dict.fromkeys(wanted, why), len(job.train))
    rows = everything(job)
    grown = len(rows) / len(job.train)
    found, kept = {}, {}
    for place, (name, candidate) in enumerate(wanted.items()):
        settings = lasting(candidate.settings, first[name], job.metric, job.higher_is_better)
        if settings is None:
            kept[name] = "it does not say how long it trained"
            continue
        deadline = share(job.deadline, len(wanted) - place)
        if deadline is not None and time.monotonic() + grown * seconds[name] > deadline:
            kept[name] = "no time left"
            continue
        table = candidate.rows(job, rows)
        seen = table if job.validation is None else candidate.rows(job, job.validation.table)
        try:
            model = job.submodel(settings, table, seen, deadline)
        except TrainingError as error:
            kept[name] = "it could not be fitted"
            told = f"the member {name} of the ensemble is not fitted anew: {error}"
            warnings.warn(told, MMWarning, stacklevel=2)
            continue
        # Its own was calibrated on rows that it had learned.
        model.model.pipeline.task = first[name][0].model.pipeline.task
        found[name] = model
    return Refits(found, kept, len(rows))


def everything(job: FitJob) -> Table:
    """The training rows, then those that were held out; their files start at one folder."""
    train = job.train.table
    if job.validation is None:
        return train
    held = job.validation.table
    frame = pd.concat([train.frame, held.frame], ignore_index=True)
    return Table(frame, train.folder)


def lasting(
    settings: Mapping[str, Any], models: Sequence[Fitted], metric: str, higher_is_better: bool
) -> dict[str, Any] | None:
    """A member's settings with the length of its best fits; None: they do not tell it."""
    best = [_best(one.result.history, metric, higher_is_better) for one in models]
    if any(record is None for record in best):
        return None
    fitter = settings["fit"]
    if fitter == NETWORK or (isinstance(fitter, Mapping) and fitter["id"] == NETWORK):
        epochs = max(1, round(float(np.mean([record["epoch"] for record in best if record]))))
        return {**settings, "training.epochs": epochs, "training.patience": epochs}
    inner = _with_length(fitter, [record for record in best if record])
    return None if inner is None else {**settings, "fit": inner}


def _best(
    history: Sequence[Mapping[str, float]], metric: str, higher_is_better: bool
) -> Mapping[str, float] | None:
    """The record of the best validation, of the last attempt."""
    last = max((one.get("attempt", 1.0) for one in history), default=1.0)
    scored = [one for one in history if metric in one and one.get("attempt", last) == last]
    choose = max if higher_is_better else min
    return choose(scored, key=lambda one: one[metric], default=None)


def _with_length(fitter: Any, best: Sequence[Mapping[str, float]]) -> dict[str, Any] | None:
    """A fitter's settings with rounds and rate of before: its own, or of the learner inside it."""
    if not isinstance(fitter, Mapping):
        return None
    if "rounds" in fitter and all("learning_rate" in record for record in best):
        rounds = max(1, round(float(np.mean([record["step"] for record in best]))))
        rate = float(np.mean([record["learning_rate"] for record in best]))
        return {**fitter, "rounds": rounds, "patience": rounds, "learning_rate": rate}
    if "learner" in fitter:
        learner = _with_length(fitter["learner"], best)
        return None if learner is None else {**fitter, "learner": learner}
    return None
