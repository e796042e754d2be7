"""A sample task with what it reads: rows and settings for a fit, and the parts of its model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api.errors import RecipeError
from mm_core.api.nn import tensors
from mm_core.api.samples import SampleColumn, SampleTask
from mm_core.api.specs import BackboneSpec, ModalitySpec, ProcessorSpec, TaskSpec
from mm_core.api.tasks import Task
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.data.batches import BatchMaker
from mm_core.data.rows import read_rows
from mm_core.network.build import build_topology
from mm_core.pipeline import Pipeline, build_criterion, build_task, fit_processors
from mm_core.plugins.offered import default_options
from mm_core.plugins.registry import Component
from mm_core.testing import end_to_end
from mm_core.testing.columns import Folder, frame_of, modality_of, settings_of
from mm_core.testing.kit_points import SIDES
from mm_core.testing.outcome import CheckError, expect
from mm_core.testing.stubs import Built, over_stubs
from mm_core.testing.subject import Subject
from mm_core.training.seeding import seeded

Tried = Subject[TaskSpec]

_ROWS = 24


def sample_of(subject: Tried) -> SampleTask:
    """The sample task of the subject.

    Raises:
        CheckError: there is none.
    """
    for sample in subject.samples.tasks:
        if sample.task in (subject.spec.name, subject.component.id):
            return sample
    raise CheckError(f"the samples do not try {subject.spec.name}: give a SampleTask")


def learned(subject: Tried) -> tuple[Task, pd.DataFrame]:
    """The task after learning the sample labels, and these; without any it has learned nothing."""
    sample = sample_of(subject)
    frame = pd.DataFrame({name: pd.Series(list(v)) for name, v in sample.label.items()})
    task = new_task(subject)
    if sample.label:
        task.learn(frame)
    return task, frame


def new_task(subject: Tried) -> Task:
    """The task, which has learned nothing."""
    task: Task = subject.component.load()(subject.config, list(sample_of(subject).label))
    task.criterion = build_criterion(None, subject.component, subject.registry)
    return task


def job_of(subject: Tried) -> end_to_end.Job:
    """A fit of the sample task."""
    return end_to_end.Job(
        _repeated(subject, sample_of(subject).label),
        subject.component.id,
        _settings(subject),
        "mm_core.testing.sampled:rows_of",
        _column_types(subject),
        _roles(sample_of(subject)),
    )


def rows_of(subject: Tried, folder: Path) -> pd.DataFrame:
    """What it learns from: the sample columns, or as many points as the samples ask for."""
    sample = sample_of(subject)
    if not sample.columns:
        labels = _repeated(subject, sample.label)
        return end_to_end.points(labels, SIDES[: sample.inputs])
    columns = _columns(sample)
    frame = frame_of(columns, folder, _n_rows(sample))
    return pd.DataFrame(_repeated(subject, {str(name): list(frame[name]) for name in frame}))


def each_built(subject: Tried) -> Iterator[tuple[Built, str]]:
    """Its topology with a batch, and in words over what: the sample columns, or else one, two and
    three backbones that the kit makes up, as many as it takes.

    Raises:
        CheckError: it takes no number of them.
    """
    if sample_of(subject).columns:
        yield build(subject), "over its sample columns"
        return
    task, frame = learned(subject)
    targets = task.encode(frame) if len(frame.columns) else {}
    refused = []
    for k in (1, 2, 3):
        try:
            built = over_stubs(subject, task, targets, k)
        except RecipeError as error:
            refused.append(str(error))
            continue
        yield built, f"{k} backbone(s)"
    expect(len(refused) < 3, f"it takes neither one, two nor three backbones: {refused[:1]}")


def build(subject: Tried) -> Built:
    """The topology that a fit would train, on some of the rows that it would learn from."""
    folder, job, registry = Folder(), job_of(subject), subject.registry
    rows = rows_of(subject, folder.path).assign(**end_to_end.cells(job.labels))
    table = read_rows(rows.head(_ROWS), registry).table
    recipe = end_to_end.predictor_of(subject, job).plan(rows, column_types=job.column_types)
    finder = CheckpointFinder(registry)
    task = build_task(recipe, registry)
    chosen = registry.get(TaskSpec, recipe.task.id)
    task.criterion = build_criterion(recipe.training.loss, chosen, registry)
    if job.labels:
        task.learn(table.frame[list(task.label)])
    with seeded(0):
        processors = fit_processors(recipe, table, registry, finder)
        topology = build_topology(recipe, processors, task, registry, finder=finder)
    pipeline = Pipeline(recipe, processors, task)
    frame = pipeline.encode_with_targets(table) if job.labels else pipeline.encode(table)
    batch = BatchMaker(processors, frame).make(np.arange(len(table)))
    return Built(topology, tensors(batch), default_options(registry.get(TaskSpec, recipe.task.id)))


def _columns(sample: SampleTask) -> dict[str, SampleColumn]:
    """Name in the table -> sample column, role by role."""
    given = sample.columns
    if isinstance(given, Mapping):
        named = [(column.name, column) for columns in given.values() for column in columns]
    else:
        named = [(column.name, column) for column in given]
    if len({name for name, _ in named}) < len(named):
        raise CheckError(
            f"columns of the sample task {sample.task} share a name: give SampleColumn(name=...)"
        )
    return dict(named)


def _column_types(subject: Tried) -> dict[str, str]:
    return {
        name: f"{modality_of(subject.registry, column.modality).spec.name}:{column.kind}"
        for name, column in _columns(sample_of(subject)).items()
    }


def _roles(sample: SampleTask) -> dict[str, list[str]]:
    if not isinstance(sample.columns, Mapping):
        return {}
    return {role: [one.name for one in given] for role, given in sample.columns.items()}


def _n_rows(sample: SampleTask) -> int:
    """Rows before they are repeated: of the shortest column, of the data or the labels."""
    cells: list[Sequence[Any]] = [column.cells for column in _columns(sample).values()]
    return min(map(len, [*cells, *sample.label.values()]), default=end_to_end.N_ROWS)


def _repeated(subject: Tried, values: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    n = _n_rows(sample_of(subject))
    return end_to_end.repeated({name: list(given)[:n] for name, given in values.items()})


def _settings(subject: Tried) -> dict[str, Any]:
    """Of the recipe: of the trial, of what reads the columns, and the sample's own."""
    sample = sample_of(subject)
    found = {f"task.{name}": value for name, value in subject.trial.settings.items()}
    readers = {name: _readers(subject, one) for name, one in _inputs(subject).items()}
    for name, (backbone, processor) in readers.items():
        for key, part, named in (
            (f"backbones.{_backbone_name(name, readers)}", backbone, sample.backbone),
            (f"inputs.{name}.processor", processor, sample.processor),
        ):
            if named is not None:
                found[f"{key}.id"] = part.id
            for setting, value in settings_of(subject, part).items():
                found[f"{key}.{setting}"] = value
    return {**found, **sample.settings}


_Readers = tuple[Component[BackboneSpec], Component[ProcessorSpec]]


def _readers(subject: Tried, modality: str) -> _Readers:
    """What reads an input of this modality, an id."""
    sample, registry = sample_of(subject), subject.registry
    known = modality_of(registry, modality).spec
    default = subject.spec.defaults.get(modality) or subject.spec.defaults.get(known.name)
    backbone = registry.get(
        BackboneSpec, sample.backbone or (default and default.backbone) or known.backbone
    )
    processor = registry.get(
        ProcessorSpec,
        sample.processor
        or (default and default.processor)
        or backbone.spec.processor_of(modality, known.name)
        or known.processor,
    )
    return backbone, processor


def _backbone_name(name: str, readers: Mapping[str, _Readers]) -> str:
    """The backbone of an input is named after it, or after the component that reads several."""
    spec = readers[name][0].spec
    together = [one for one, (backbone, _) in readers.items() if backbone.spec == spec]
    if isinstance(spec.processor, dict) and len(together) > 1:
        return re.sub(r"\W", "_", spec.name)
    return name


def _inputs(subject: Tried) -> dict[str, str]:
    """Input name -> id of its modality; inputs of roles are called ``<role>_<modality>``.

    Those of a role that is like another are left out: they share what reads the other's.
    """
    given = sample_of(subject).columns
    by_role = given if isinstance(given, Mapping) else {"": given}
    like = {role.name for role in subject.spec.roles if role.like in by_role}
    found = {}
    for role, columns in by_role.items():
        if role in like:
            continue
        for column in columns:
            modality = subject.registry.get(ModalitySpec, column.modality)
            name = modality.spec.name
            found[f"{role}_{name}" if role else name] = modality.id
    return found
