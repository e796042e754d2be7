"""What every fitter keeps."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pandas as pd

from mm_core.api.errors import MMError
from mm_core.api.samples import Trial
from mm_core.api.specs import FitterSpec, LossSpec, TaskSpec
from mm_core.recipe.fitters import UNREAD
from mm_core.recipe.training import TrainingConfig
from mm_core.testing import end_to_end, sampled
from mm_core.testing.chosen import expect_settings_exist
from mm_core.testing.outcome import CheckError, NotTried, expect
from mm_core.testing.subject import Subject
from mm_core.training.job import Job

Fit = Subject[FitterSpec]

_EPOCHS = ("epochs", "batch_size", "max_steps", "learning_rate")
"""Settings of which a fitter without a network reads some at most."""

_LABELS = end_to_end.repeated({"label": ["yes", "no"]})


def check_learns_end_to_end(subject: Fit) -> None:
    """A fit by it learns; saved and loaded in a new process, it predicts the same."""
    end_to_end.learns(subject, _own_job(subject))


def check_says_what_it_reads(subject: Fit) -> None:
    """The losses and the settings, of training and of processors, that it names exist."""
    unknown = set(subject.spec.training or ()) - set(TrainingConfig.model_fields)
    expect(not unknown, f"training names {', '.join(sorted(unknown))}, which is no such setting")
    for loss in subject.spec.losses:
        try:
            subject.registry.get(LossSpec, loss)
        except MMError as error:
            raise CheckError(f"losses names {loss}: {error.message}") from error
    expect_settings_exist(subject.spec.defaults, subject.registry)


def check_trains_new_networks_first(subject: Fit) -> None:
    """With ``training.new_first`` it calls ``job.train_new_first()``, before any training.

    That is the default of models with a table's network beside others.
    """
    reads = subject.spec.training
    if subject.spec.reads != "network" or not (reads is None or "new_first" in reads):
        raise NotTried("it reads no training.new_first")
    asked: list[str] = []

    def noted(job: Job) -> dict[str, float]:
        expect(not job._trainings, "job.train_new_first() comes after a training: call it first")
        asked.append(job.model.recipe.fit.id)
        return {}

    own = _own_job(subject)
    own = replace(own, settings={**own.settings, "training.new_first": True})
    with (
        tempfile.TemporaryDirectory(prefix="mm-check-") as name,
        patch.object(Job, "train_new_first", noted),
        end_to_end.quiet(),
    ):
        end_to_end.fitted(subject, own, Path(name))
    expect(
        subject.component.id in asked,
        "training.new_first is set and nothing comes of it: call job.train_new_first() before "
        "training, or leave new_first out of FitterSpec(training=...)",
    )


def check_is_taken_for_its_columns_alone(subject: Fit) -> None:
    """Where it is `alone`, a plan of its sample rows that names no fitter takes it, with a reason;
    one with a setting that it does not read does not."""
    if not subject.spec.alone:
        raise NotTried("it has to be named: alone=False")
    job = _job(subject)
    unread = next(key for key in _EPOCHS if key not in (subject.spec.training or ()))
    with tempfile.TemporaryDirectory(prefix="mm-check-") as name:
        rows = sample_rows(subject, Path(name)).assign(**end_to_end.cells(job.labels))
        for more in ({}, {f"training.{unread}": 2}):
            asked = replace(job, settings={**job.settings, **more}, brief={})
            recipe = end_to_end.predictor_of(subject, asked).plan(
                rows, column_types=job.column_types
            )
            taken = recipe.fit.id == subject.component.id
            said = f"{recipe.fit.id} ({recipe.origin('fit.id')})"
            expect(taken is not bool(more), f"with {more or 'nothing'} set, the plan takes {said}")


def one_side(subject: Fit, folder: Path) -> pd.DataFrame:
    """One input for a fit."""
    return end_to_end.points(_LABELS, ("left",))


def sample_rows(subject: Fit, folder: Path) -> pd.DataFrame:
    """The columns of the first sample task, for a fitter that cannot read the kit's own."""
    return sampled.rows_of(_sample_task(subject), folder)


def _own_job(subject: Fit) -> end_to_end.Job:
    """A fit by it, with the settings of its trial, on rows that it can read."""
    settings = {f"fit.{name}": value for name, value in subject.trial.settings.items()}
    settings["fit.id"] = subject.component.id
    if not subject.spec.modalities:
        rows = "mm_core.testing.checks.fitters:one_side"
        return end_to_end.Job(_LABELS, "binary", settings, rows)
    job = _job(subject)
    return replace(job, settings={**job.settings, **settings})


def _job(subject: Fit) -> end_to_end.Job:
    """A fit of the first sample task, without what the fitter does not read."""
    job = sampled.job_of(_sample_task(subject))
    unread, reads = UNREAD[subject.spec.reads], subject.spec.training
    own = {key: one for key, one in job.settings.items() if key.partition(".")[0] not in unread}
    brief = {
        key: value
        for key, value in end_to_end.BRIEF.items()
        if reads is None or key.removeprefix("training.") in reads
    }
    rows = "mm_core.testing.checks.fitters:sample_rows"
    return replace(job, settings=own, rows=rows, brief=brief)


def _sample_task(subject: Fit) -> Subject[TaskSpec]:
    found = next((one for one in subject.samples.tasks if one.columns), None)
    if found is None:
        raise CheckError(
            f"{subject.spec.name} reads {', '.join(subject.spec.modalities)} only, and the samples "
            "have no task on such columns: give a SampleTask(task='core:binary', label=..., "
            "columns=...)"
        )
    task = subject.registry.get(TaskSpec, found.task)
    trial = Trial("task", task.spec.name)
    return Subject(task, trial, subject.samples, subject.registry, subject.files)
