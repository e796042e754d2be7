"""What every fitter keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from mm_core.api.samples import Trial
from mm_core.api.specs import FitterSpec, TaskSpec
from mm_core.recipe.fitters import UNREAD
from mm_core.testing import end_to_end, sampled
from mm_core.testing.outcome import CheckError
from mm_core.testing.subject import Subject

Fit = Subject[FitterSpec]

_LABELS = end_to_end.repeated({"label": ["yes", "no"]})


def check_learns_end_to_end(subject: Fit) -> None:
    """A fit by it learns; saved and loaded in a new process, it predicts the same."""
    settings = {f"fit.{name}": value for name, value in subject.trial.settings.items()}
    settings["fit.id"] = subject.component.id
    if not subject.spec.modalities:
        rows = "mm_core.testing.checks.fitters:one_side"
        end_to_end.learns(subject, end_to_end.Job(_LABELS, "binary", settings, rows))
        return
    job = sampled.job_of(_sample_task(subject))
    unread = UNREAD[subject.spec.reads]
    own = {key: one for key, one in job.settings.items() if key.partition(".")[0] not in unread}
    rows = "mm_core.testing.checks.fitters:sample_rows"
    end_to_end.learns(subject, replace(job, settings={**own, **settings}, rows=rows))


def one_side(subject: Fit, folder: Path) -> pd.DataFrame:
    """One input for a fit."""
    return end_to_end.points(_LABELS, ("left",))


def sample_rows(subject: Fit, folder: Path) -> pd.DataFrame:
    """The columns of the first sample task, for a fitter that cannot read the kit's own."""
    return sampled.rows_of(_sample_task(subject), folder)


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
