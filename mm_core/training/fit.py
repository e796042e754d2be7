"""Recipe + rows -> trained model: the order of the steps of a fit."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from mm_core.api.errors import report_bad
from mm_core.api.fitting import FitResult
from mm_core.api.processors import Table
from mm_core.api.specs import TaskSpec
from mm_core.api.tasks import Task
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.data.encoded import EncodedFrame
from mm_core.data.split import split_rows
from mm_core.model import Model
from mm_core.network.build import build_topology
from mm_core.network.change import grown
from mm_core.network.engine import NetworkEngine
from mm_core.pipeline import Pipeline, build_task, check_recipe, fit_processors
from mm_core.plugins.offered import default_options
from mm_core.plugins.registry import Registry
from mm_core.recipe.recipe import Recipe
from mm_core.recipe.tasks import check_epochs
from mm_core.scoring import Metrics
from mm_core.training.options import FitOptions
from mm_core.training.recipe_fitter import RecipeFitter
from mm_core.training.row_weights import check_some_count, row_weights, weight_column
from mm_core.training.seeding import seeded


@dataclass(frozen=True)
class Start:
    """What a fit starts from.

    Attributes:
        registry: installed components.
        finder: where checkpoints come from.
        model: a trained model to go on with; None: the checkpoints. It stays as it is.
    """

    registry: Registry
    finder: CheckpointFinder
    model: Model | None = None


def fit_model(
    recipe: Recipe,
    train: Table,
    tuning: Table | None,
    start: Start,
    metrics: Metrics,
    options: FitOptions,
) -> tuple[Model, FitResult]:
    """Train the model that a recipe describes.

    Args:
        recipe: the plan.
        train: training rows with label (and weight) columns.
        tuning: validation rows; None: some training rows are held out.
        start: components and weights to start from.
        metrics: to score the validation rows.
        options: callbacks, loggers, limits.
    """
    check_recipe(recipe, start.registry)
    weight = weight_column(train, recipe.data.sample_weight)
    task, kept, held = _learned(recipe, train, tuning, start)
    with seeded(recipe.training.seed):
        model = _untrained(recipe, kept, task, start)
        frame, validation = (model.pipeline.encode_with_targets(table) for table in (kept, held))
        report_bad([*frame.bad, *validation.bad], options.on_error)
        _weigh(frame, weight, model)
        fitter = RecipeFitter(start.registry, metrics, options)
        result = fitter.fit(model, frame, validation)
    return model.ready(), result


def unfitted_model(
    recipe: Recipe, rows: Table, start: Start, on_error: str = "raise"
) -> tuple[Model, FitResult]:
    """The model of a task that need not be fitted, as it answers without having learned.

    Args:
        recipe: the plan.
        rows: what processors are fitted on; with label columns, or some of them, or none.
        start: components, and where weights come from.
        on_error: of cells that cannot be read.

    Raises:
        ConfigError: the task has to learn.
    """
    check_recipe(recipe, start.registry)
    check_epochs(0, start.registry.get(TaskSpec, recipe.task.id))
    task = build_task(recipe, start.registry)
    task.learn(rows.frame[[name for name in task.label if name in rows.frame.columns]])
    with seeded(recipe.training.seed):
        model = _untrained(recipe, rows, task, start)
    report_bad(model.pipeline.encode(rows).bad, on_error)
    return model.ready(), FitResult([], None, "nothing was to be learned")


def _weigh(frame: EncodedFrame, given: np.ndarray | None, model: Model) -> None:
    """Give the rows the weights of the data's column and of their classes."""
    own = given if given is None or frame.positions is None else given[frame.positions]
    if own is not None:
        check_some_count(own, model.recipe.data.sample_weight)
    scheme = model.recipe.training.class_weights
    frame.weight = row_weights(own, scheme, model.task, frame.targets)


def _learned(
    recipe: Recipe, train: Table, tuning: Table | None, start: Start
) -> tuple[Task, Table, Table]:
    """The task with what it learned of the labels; training and validation rows."""
    fresh = build_task(recipe, start.registry)
    if start.model is None:
        task, learn = fresh, fresh.learn
    else:
        task = copy.deepcopy(start.model.task)
        task.criterion, learn = fresh.criterion, task.extend
    label = list(task.label)
    learn(train.frame[label])
    if tuning is not None:
        return task, train, tuning
    targets = task.encode(train.frame[label])
    strata, essential = task.strata(targets), task.essential(targets)
    seed = recipe.training.seed
    kept, held = split_rows(len(train), recipe.data.holdout_frac, strata, seed, essential)
    kept_rows = train.take(kept)
    learn(kept_rows.frame[label])  # every class has a row there; scales see no held-out row
    return task, kept_rows, train.take(held)


def _untrained(recipe: Recipe, train: Table, task: Task, start: Start) -> Model:
    """The model with the weights that the fit starts from."""
    if start.model is not None:
        return grown(start.model, recipe, task, start.registry)
    processors = fit_processors(recipe, train, start.registry, start.finder)
    topology = build_topology(recipe, processors, task, start.registry, finder=start.finder)
    options = default_options(start.registry.get(TaskSpec, recipe.task.id))
    pipeline = Pipeline(recipe, processors, task, options=options)
    return Model(pipeline, NetworkEngine(topology))
