"""New networks that stand beside pretrained ones learn by themselves first, at their own pace.

A table needs many short epochs and high rates, a pretrained network few long ones and low rates.
Trained together from the start, at the pace of the pretrained one, a new network has learned little
by the time that the other has learned all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mm_core.api.fitting import INTERRUPTED, FitResult
from mm_core.api.processors import Table
from mm_core.api.specs import BackboneSpec, FitterSpec, PresetSpec, TaskSpec
from mm_core.plugins.discovery import CORE
from mm_core.plugins.known import install_line, plugin_offering
from mm_core.plugins.registry import Registry
from mm_core.recipe.first import alone, beside_others
from mm_core.recipe.recipe import Recipe
from mm_core.telling import PROGRESS_FROM_VERBOSITY, SUMMARY_FROM_VERBOSITY, tell_user
from mm_core.training.job import Job, LearnedAlone

NAMED = 5
"""Columns that a message names."""

SEVERAL = "best_quality"
"""The preset of several models, where a plugin gives a task one with a fitter that reads rows."""

SHARE_OF_TIME = 0.25
"""Of the time that a fit is given, what all of it may take at the most."""


def train_new_first(job: Job) -> LearnedAlone:
    """Train each new backbone as a model of its inputs alone, and put its weights into the job's.

    The rows, the split and the settings of inputs and backbones are those of the fit. What such a
    model answers with, its head, is not kept.
    """
    recipe, registry = job.model.recipe, job.context.registry
    components = {
        name: registry.get(BackboneSpec, part.id)
        for name, part in recipe.backbones.items()
        if part.share_with is None
    }
    task = registry.get(TaskSpec, recipe.task.id)
    names = () if recipe.fusion is None else beside_others(components, task)
    scores: dict[str, float] = {}
    until = None if job.deadline is None else SHARE_OF_TIME * (job.deadline - time.monotonic())
    for number, name in enumerate(names, start=1):
        deadline = None if until is None else time.monotonic() + until / len(names)
        shown = job.verbosity >= PROGRESS_FROM_VERBOSITY
        tell_user(f"{name} by itself first ({number} of {len(names)})", "progress", shown=shown)
        result = _train_alone(job, name, deadline)
        if result.best_score is not None:
            scores[name] = result.best_score
        if result.stopped == INTERRUPTED:
            return LearnedAlone(True, scores)
    if names:
        tell_user("all together", "progress", shown=job.verbosity >= PROGRESS_FROM_VERBOSITY)
    return LearnedAlone(False, scores)


def tell_of_better_alone(job: Job, scores: Mapping[str, float], result: FitResult) -> None:
    """Say where a backbone alone was better on the same held-out rows than all together."""
    together = f"{math.nan if result.best_score is None else result.best_score:.4g}"
    sign = 1 if job.higher_is_better else -1
    for name, score in scores.items():
        # By the digits that are shown: a rounding is no reason to leave a column out.
        if not sign * float(f"{score:.4g}") > sign * float(together):
            continue
        others = _others(job.model.recipe, name)
        more = ", ..." if len(others) > NAMED else ""
        told = ", ".join(map(repr, others[:NAMED])) + more
        ignored = ", ".join(f"{column!r}: 'ignore'" for column in others[:NAMED]) + more
        tell_user(
            f"On the held-out rows {name} by itself has a {job.metric} of {score:.4g}, and all "
            f"together {together}: what {told} says may not be worth it here. Compare with "
            f"column_types={{{ignored}}} (--column-type COLUMN=ignore)"
            f"{_or_several_models(job)}.",
            "fit",
            shown=job.verbosity >= SUMMARY_FROM_VERBOSITY,
        )


def _or_several_models(job: Job) -> str:
    """What is typed, with what is installed, for an ensemble; empty: the task has none."""
    task, registry = job.model.recipe.task.id, job.context.registry
    advice, typed = ", or let an ensemble weigh both: ", f"presets={SEVERAL!r} (--preset {SEVERAL})"
    chosen = [
        preset.spec.values["fit.id"]
        for preset in registry.all(PresetSpec)
        if (preset.spec.name, "fit.id" in preset.spec.values) == (SEVERAL, True)
        and task in preset.spec.components
    ]
    if chosen:
        return f"{advice}{typed}" if _is_of_rows(chosen, registry) else ""
    plugin = plugin_offering(PresetSpec.kind, SEVERAL)
    if plugin is None or registry.get(TaskSpec, task).plugin.name != CORE:
        return ""
    return f"{advice}{install_line(plugin)}, then {typed}"


def _is_of_rows(chosen: Sequence[str], registry: Registry) -> bool:
    """Whether presets choose one and the same fitter, which is installed and reads rows."""
    fitters = [one for one in registry.all(FitterSpec) if one.spec.reads == "rows"]
    names = [name for one in fitters for name in (one.id, one.spec.name)]
    return all(name == chosen[0] and name in names for name in chosen)


def _others(recipe: Recipe, backbone: str) -> list[str]:
    """The columns that this backbone does not read."""
    inputs = recipe.backbones[backbone].inputs
    own = {column for name in inputs for column in recipe.inputs[name].columns}
    columns = [column for part in recipe.inputs.values() for column in part.columns]
    return [column for column in dict.fromkeys(columns) if column not in own]


def _train_alone(job: Job, name: str, deadline: float | None) -> FitResult:
    from mm_core.training.fit import fit_model

    recipe = alone(job.model.recipe, name, job.context.registry)
    assert job.validation is not None
    rows, held = (_of(recipe, table) for table in (job.train.table, job.validation.table))
    context = replace(
        job.context,
        task=job.model.task,
        callbacks=(),  # they are the fit's own: one that counts would count twice
        loggers=(),
        unfinished=None,
        resume=False,
        deadline=deadline,
    )
    model, result = fit_model(recipe, rows, held, context)
    network: Any = model.topology
    learned: dict[str, Any] = network.backbones[name].state_dict()
    job.model.topology.backbones[name].load_state_dict(learned)
    return result


def _of(recipe: Recipe, table: Table) -> Table:
    """The columns that a recipe reads, and those of the label and the weight."""
    weight = recipe.data.sample_weight
    columns = [column for part in recipe.inputs.values() for column in part.columns]
    beside: Sequence[str] = [*recipe.data.label, *([] if weight is None else [weight])]
    return replace(table, frame=table.frame[[*columns, *beside]])
