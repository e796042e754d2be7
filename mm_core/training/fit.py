"""Recipe + rows -> trained model: the order of the steps of a fit."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mm_core import inference
from mm_core.api.contracts import FitResult, FitRun, Fitter, Table, Task
from mm_core.api.errors import BadCellError, ColumnError, DataError, report_bad
from mm_core.api.specs import FitterSpec
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
    read_config,
)
from mm_core.plugins.registry import Registry
from mm_core.recipe.checkpoints import CheckpointFinder
from mm_core.recipe.recipe import Recipe
from mm_core.scoring import Metrics, short_name
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
    """

    on_error: str = "raise"
    callbacks: Sequence[Any] = ()
    loggers: Sequence[Any] = ()
    verbosity: int = 2
    deadline: float | None = None


def fit_model(
    recipe: Recipe,
    train: Table,
    tuning: Table | None,
    registry: Registry,
    finder: CheckpointFinder,
    metrics: Metrics,
    options: FitOptions,
) -> tuple[Model, FitResult]:
    """Train the model that a recipe describes.

    Args:
        recipe: the plan.
        train: training rows with label (and weight) columns.
        tuning: validation rows; None: some training rows are held out.
        registry: installed components.
        finder: where checkpoints come from.
        metrics: to score the validation rows.
        options: callbacks, loggers, limits.
    """
    check_recipe(recipe, registry)
    task = build_task(recipe, registry)
    weight = _weight(train, recipe.data.sample_weight)
    train, tuning = _split(recipe, task, train, tuning)
    with seeded(recipe.training.seed):
        processors = fit_processors(recipe, train, registry, finder)
        topology = build_topology(recipe, processors, task, registry, finder=finder)
        model = Model(recipe, processors, task, topology)
        frames = [encode_with_targets(model, table) for table in (train, tuning)]
        if weight is not None:
            kept = weight if train.positions is None else weight[train.positions]
            frames[0].weight = kept / kept.mean()  # so that weights of 1 change nothing
        report_bad([cell for frame in frames for cell in frame.bad], options.on_error)
        result = _fit(model, frames[0], frames[1], registry, metrics, options)
    return model.ready(), result


def _split(recipe: Recipe, task: Task, train: Table, tuning: Table | None) -> tuple[Table, Table]:
    label = list(task.label)
    task.learn(train.frame[label])
    if tuning is not None:
        return train, tuning
    strata = task.strata(task.encode(train.frame[label]))
    seed = recipe.training.seed
    kept, held = split_rows(len(train), recipe.data.holdout_frac, strata, seed)
    kept_rows = train.take(kept)
    task.learn(kept_rows.frame[label])  # every class has a row there; scales see no held-out row
    return kept_rows, train.take(held)


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
        )
        model.topology.train()
        result = fitter.fit(model.topology, batches, run)
    report_bad(batches.bad, options.on_error)
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
