"""Recipe + rows -> trained model: the order of the steps of a fit."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mm_core import inference
from mm_core.api.contracts import FitResult, FitRun, Fitter, Table, Task
from mm_core.api.errors import BadCellError, ColumnError, DataError, report_bad
from mm_core.api.specs import FitterSpec, ProcessorSpec
from mm_core.data.batches import TrainBatches
from mm_core.data.encoded import EncodedFrame
from mm_core.data.split import split_rows
from mm_core.model import (
    Model,
    build_task,
    build_topology,
    check_recipe,
    encode_with_targets,
    fit_processors,
    grown,
    read_config,
)
from mm_core.plugins.registry import Registry
from mm_core.recipe.checkpoints import CheckpointFinder
from mm_core.recipe.recipe import Recipe
from mm_core.scoring import Metrics, short_name
from mm_core.training.calibration import calibrate
from mm_core.training.row_weights import row_weights
from mm_core.training.seeding import seeded


@dataclass(frozen=True)
class FitOptions:
    """What steers a fit without being part of what is learned.

    Attributes:
        on_error: ``"raise"`` on cells that cannot be read, or treat them as ``"missing"``.
        callbacks: Lightning callbacks.
        loggers: Lightning loggers.
        verbosity: 0 silent .. 3 chatty.
        deadline: ``time.monotonic()`` at which to stop, or None.
        unfinished: folder for the state of the fit until it ends, or None.
    """

    on_error: str = "raise"
    callbacks: Sequence[Any] = ()
    loggers: Sequence[Any] = ()
    verbosity: int = 2
    deadline: float | None = None
    unfinished: Path | None = None


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
    weight = _weight(train, recipe.data.sample_weight)
    task, train, tuning = _learned(recipe, train, tuning, start)
    with seeded(recipe.training.seed):
        model = _untrained(recipe, train, task, start)
        frames = [encode_with_targets(model, table) for table in (train, tuning)]
        kept = weight if weight is None or train.positions is None else weight[train.positions]
        scheme = recipe.training.class_weights
        frames[0].weight = row_weights(kept, scheme, task, frames[0].targets)
        report_bad([cell for frame in frames for cell in frame.bad], options.on_error)
        result = _fit(model, frames[0], frames[1], start.registry, metrics, options)
    return model.ready(), result


def _learned(
    recipe: Recipe, train: Table, tuning: Table | None, start: Start
) -> tuple[Task, Table, Table]:
    """The task with what it learned of the labels; training and validation rows."""
    task = build_task(recipe, start.registry)
    if start.model is not None:
        task = copy.deepcopy(start.model.task)
        task.criterion = build_task(recipe, start.registry).criterion
    label = list(task.label)
    learn = task.learn if start.model is None else task.extend
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
    return Model(recipe, processors, task, topology)


def _fit(
    model: Model,
    train: EncodedFrame,
    tuning: EncodedFrame,
    registry: Registry,
    metrics: Metrics,
    options: FitOptions,
) -> FitResult:
    recipe = model.recipe
    metric = recipe.data.validation_metric

    def validate() -> float:
        decoded, bad = inference.predict(model, tuning)
        if bad and options.on_error == "raise":
            raise BadCellError(bad)
        return metrics.score(metric, model.task, tuning, decoded)

    if _lacks_a_class(model.task, train, tuning):
        validate()  # a metric may not be defined on such rows: told now, not after an epoch
    component = registry.get(FitterSpec, recipe.fit.id)
    fitter: Fitter = component.load()(read_config(component, recipe.fit, "fit"))
    batches = TrainBatches(
        model.processors,
        train,
        recipe.training.batch_size,
        recipe.training.seed,
        recipe.training.augment,
        recipe.training.workers,
    )
    if options.on_error != "raise":
        batches.mask_bad()
    with tempfile.TemporaryDirectory(prefix="mm-fit-") as folder:
        run = FitRun(
            training=recipe.training,
            learning_rates={name: part.learning_rate for name, part in recipe.backbones.items()},
            score=validate,
            metric=short_name(metric),
            higher_is_better=metrics.higher_is_better(metric),
            folder=Path(folder),
            callbacks=options.callbacks,
            loggers=options.loggers,
            verbosity=options.verbosity,
            deadline=options.deadline,
            mixable={
                name: registry.get(ProcessorSpec, part.processor.id).spec.mixable
                for name, part in recipe.inputs.items()
            },
            unfinished=options.unfinished,
        )
        model.topology.train()
        result = fitter.fit(model.topology, batches, run)
    report_bad(batches.bad, options.on_error)
    calibrate(model, tuning, metrics)
    return result


def _lacks_a_class(task: Task, train: EncodedFrame, tuning: EncodedFrame) -> bool:
    """Some class of the training rows has no validation row."""
    trained, held = (task.strata(frame.targets) for frame in (train, tuning))
    return trained is not None and held is not None and len(np.setdiff1d(trained, held)) > 0


def _weight(table: Table, column: str | None) -> np.ndarray | None:
    if column is None:
        return None
    if column not in table.frame.columns:
        raise ColumnError(
            f"weight column {column!r} is not in the data", column=column, remedy="add it"
        )
    try:
        weight = table.frame[column].to_numpy(dtype=np.float32, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"weight column {column!r} holds something that is no number: {error}", column=column
        ) from error
    wrong = np.flatnonzero(~(weight >= 0))
    if len(wrong) or not weight.sum() > 0:
        raise DataError(
            f"weight column {column!r} holds missing or negative weights, or only zeros",
            column=column,
            rows=wrong.tolist(),
            remedy="give weights >= 0, at least one of them above 0",
        )
    return weight
