"""Recipe + rows -> fitted model: the order of the steps of a fit."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mm_core.api.errors import PluginError, report_bad
from mm_core.api.fitting import FitResult, FitRows, Fitted, Fitter
from mm_core.api.processors import Table
from mm_core.api.specs import FitterSpec
from mm_core.api.tasks import Task
from mm_core.data.encoded import EncodedFrame
from mm_core.data.split import split_rows
from mm_core.model import NETWORK, Model
from mm_core.pipeline import build_task, check_recipe, read_config
from mm_core.plugins.registry import Component
from mm_core.recipe.recipe import Recipe
from mm_core.recipe.submodel import plan_submodel
from mm_core.training.context import FitContext
from mm_core.training.first import train_new_first
from mm_core.training.held_out import HeldOut
from mm_core.training.job import Job
from mm_core.training.row_weights import check_some_count, row_weights, weight_column
from mm_core.training.seeding import seeded_fit
from mm_core.training.start import starting_model

CALIBRATION_SHARE = 0.05
"""Of the time that a fit is given, what calibration may take on top: training leaves it none."""


def fit_model(
    recipe: Recipe, train: Table, tuning: Table | None, context: FitContext
) -> tuple[Model, FitResult]:
    """Fit the model that a recipe describes.

    Args:
        recipe: the plan.
        train: training rows with label (and weight) columns.
        tuning: validation rows; None: some training rows are held out, unless the fitter does so.
        context: components and weights to start from, callbacks, loggers, limits.
    """
    started = time.monotonic()
    check_recipe(recipe, context.registry)
    component = context.registry.get(FitterSpec, recipe.fit.id)
    fitter: Fitter = component.load()(read_config(component, recipe.fit, "fit"))
    weight = weight_column(train, recipe.data.sample_weight)
    split = _learned(recipe, train, tuning, component.spec, context)
    seeded = seeded_fit(component.spec, recipe.training.seed)
    with seeded, tempfile.TemporaryDirectory(prefix="mm-fit-") as folder:
        model = starting_model(recipe, split.train, split.task, component.spec, context)
        kept = weight if weight is None or split.kept is None else weight[split.kept]
        job = _job(model, split, kept, context, Path(folder))
        with closing(job):
            result = fitter.fit(job)
        report_bad(job.unreadable, context.on_error)
        _take_engine(model, result, component)
        if job.held_out is not None:
            deadline = _calibrated_by(started, context.deadline)
            result = replace(result, calibrated_score=job.held_out.calibrate(deadline))
    return model.ready(), result


@dataclass(frozen=True)
class _Split:
    """The task with what it learned of the labels; training and validation rows.

    ``kept``: positions of the training rows among those given; None: all of them.
    """

    task: Task
    train: Table
    validation: Table | None
    kept: np.ndarray | None = None


def _learned(
    recipe: Recipe, train: Table, tuning: Table | None, fitter: FitterSpec, context: FitContext
) -> _Split:
    fresh = build_task(recipe, context.registry)
    known = context.task if context.model is None else context.model.task
    task = fresh if known is None else copy.deepcopy(known)
    learn = task.learn if known is None else task.extend
    label = list(task.label)
    task.folder = train.folder
    learn(train.frame[label])
    if tuning is not None or not fitter.holds_out:
        return _Split(task, train, tuning)
    targets = task.encode(train.frame[label])
    strata, essential = task.strata(targets), task.essential(targets)
    seed = recipe.training.seed
    kept, held = split_rows(len(train), recipe.data.holdout_frac, strata, seed, essential)
    kept_rows = train.take(kept)
    learn(kept_rows.frame[label])  # every class has a row there; scales see no held-out row
    return _Split(task, kept_rows, train.take(held), kept)


def _job(
    model: Model, split: _Split, weight: np.ndarray | None, context: FitContext, folder: Path
) -> Job:
    train = model.pipeline.encode_with_targets(split.train)
    held = split.validation
    validation = None if held is None else model.pipeline.encode_with_targets(held)
    bad = [*train.bad, *(validation.bad if validation is not None else ())]
    report_bad(bad, context.on_error)
    _weigh(train, weight, model)
    held_out = None
    if validation is not None:
        held_out = HeldOut(model, validation, context.metrics, context.on_error == "raise")
        held_out.check_metric()

    def plan(settings: Mapping[str, Any], rows: Table = split.train) -> Recipe:
        return plan_submodel(
            model.recipe, settings, rows, context.registry, context.finder, context.metrics
        )

    def submodel(
        settings: Mapping[str, Any], rows: Table, held: Table | None, deadline: float | None
    ) -> Fitted:
        inner = replace(
            context,
            model=None,
            task=model.task,
            verbosity=min(1, context.verbosity),
            unfinished=None,
            resume=False,
            deadline=context.deadline if deadline is None else deadline,
        )
        return Fitted(*fit_model(plan(settings, rows), rows, held, inner))

    return Job(
        model=model,
        train=FitRows(train, split.train),
        validation=None if held is None else FitRows(validation, held),
        held_out=held_out,
        context=context,
        folder=folder,
        plan_submodel=plan,
        fit_submodel=submodel,
        fit_first=train_new_first,
    )


def _take_engine(model: Model, result: FitResult, fitter: Component[FitterSpec]) -> None:
    """The fitter's engine, which its runtime reads back; the network where it has none."""
    runtime = fitter.spec.runtime
    if (result.engine is None) != (runtime == NETWORK):
        given = "no engine" if result.engine is None else "an engine of its own"
        raise PluginError(
            f"{fitter.id} gave {given}, and says that {runtime} answers for its models",
            plugin=fitter.id,
            remedy="report this to the plugin: FitResult(engine=...) and FitterSpec(runtime=...) "
            "belong together",
        )
    if result.engine is not None:
        model.engine, model.runtime = result.engine, runtime


def _weigh(frame: EncodedFrame, own: np.ndarray | None, model: Model) -> None:
    """Give the rows the weights of the data's column and of their classes."""
    if own is not None:
        check_some_count(own, model.recipe.data.sample_weight)
    scheme = model.recipe.training.class_weights
    frame.weight = row_weights(own, scheme, model.task, frame.targets)


def _calibrated_by(started: float, deadline: float | None) -> float | None:
    """``time.monotonic()`` at which calibration is to be done."""
    if deadline is None:
        return None
    return deadline + CALIBRATION_SHARE * max(0.0, deadline - started)
