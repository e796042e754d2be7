"""``predictor.distill(rows)``: the ensemble's answers in one network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api import ConfigError, Table
from mm_core.api.tools import (
    MultiModalPredictor,
    Recipe,
    check_labelled,
    chosen_by_loss,
    function_of,
    model_of,
    read_rows,
    registry_of,
)
from mm_ensemble.teaching import FITTER, Lesson, running

_ONE_OF = 5


def distill(
    predictor: MultiModalPredictor,
    data: Any,
    unlabelled: Any = None,
    tuning_data: Any = None,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    presets: Any = None,
    path: str | Path | None = None,
    time_limit: float | None = None,
    verbosity: int = 2,
) -> MultiModalPredictor:
    """One network that learns the labels of rows and what the ensemble says of them.

    Args:
        predictor: the teacher; its answers are asked for once, and it is not changed.
        data: rows with the label, such as those that the ensemble was fitted on.
        unlabelled: rows without: they are learned with the teacher's answers.
        tuning_data: validation rows, with the label; None: some of ``data`` are held out.
        hyperparameters: of the network; ``fit.share`` and ``fit.temperature`` among them. Its loss,
            class weights and validation metric are the teacher's, unless they are set here.
        presets: of the network; None: the default.
        path: folder that it is saved to.
        time_limit: seconds.
        verbosity: as in ``fit``.

    Returns:
        The predictor of the network.
    """
    model, registry = model_of(predictor), registry_of(predictor)
    recipe = model.recipe
    rows = read_rows(data, registry).table
    check_labelled(model, rows)
    model.task.complete(rows.frame)
    answered = 0
    if unlabelled is not None:
        if tuning_data is None:
            held = _held_out(rows.frame[list(recipe.data.label)], recipe.training.seed)
            tuning_data, rows = rows.take(np.flatnonzero(held)), rows.take(np.flatnonzero(~held))
        more = read_rows(unlabelled, registry).table
        rows, answered = _with_answers(predictor, rows, more), len(more)
    there = rows.frame.columns
    kinds = {name: kind for name, kind in predictor.column_types.items() if name in there}
    named = recipe.origin("data.eval_metric") == "user"  # the task's own is the student's too
    eval_metric = recipe.data.eval_metric if named else None
    student = MultiModalPredictor(
        recipe.data.label,
        recipe.task.id,
        presets=presets,
        eval_metric=eval_metric,
        hyperparameters={
            **{f"task.{key}": value for key, value in recipe.task.config.items()},
            **_as_taught(recipe, set(_names(hyperparameters or {}))),
        },
        path=path,
        verbosity=verbosity,
    )
    with running(Lesson(model, answered)):
        return student.fit(
            rows,
            tuning_data=tuning_data,
            hyperparameters={**(hyperparameters or {}), "fit.id": FITTER, "fit.teacher": None},
            column_types=kinds,
            sample_weight=recipe.data.sample_weight,
            time_limit=time_limit,
        )


def _as_taught(recipe: Recipe, named: set[str]) -> dict[str, Any]:
    """The teacher's loss, class weights and validation metric, where no others are named.

    Raises:
        ConfigError: that metric is a function.
    """
    found: dict[str, Any] = {}
    loss, training = "training.loss", recipe.training
    other = bool(named & {loss, f"{loss}.id"})
    if training.loss is not None and not other:
        own = {f"{loss}.{key}": value for key, value in training.loss.config.items()}
        found |= {loss: training.loss.id, **own}
    if not any(name.startswith("training.class_weights") for name in named):
        found["training.class_weights"] = training.class_weights
    metric = recipe.data.validation_metric
    if "data.validation_metric" in named or (other and chosen_by_loss(recipe)):
        return found
    if (function := function_of(metric)) is not None:
        raise ConfigError(
            f"the ensemble was chosen by the function {function}, and distill knows metrics by "
            "name",
            plugin=FITTER,
            value=metric,
            remedy="name the one that chooses the network: "
            "hyperparameters={'data.validation_metric': NAME}",
        )
    return {**found, "data.validation_metric": metric}


def _names(settings: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """What is set, in dotted names."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _names(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def _with_answers(predictor: MultiModalPredictor, rows: Table, more: Table) -> Table:
    """Labelled rows, and others with the teacher's answers as labels.

    Raises:
        ConfigError: relative paths in cells start at different folders.
    """
    if rows.folder != more.folder:
        raise ConfigError(
            f"relative paths in cells start at {rows.folder}, those of the unlabelled rows at "
            f"{more.folder}",
            plugin=FITTER,
            value=str(more.folder),
            remedy="put both files into one folder, or write whole paths",
        )
    answers = predictor.predict(more)
    given = more.frame.drop(columns=list(predictor.recipe.data.label), errors="ignore")
    answered = pd.concat([given, pd.DataFrame(answers).set_axis(given.index, axis=0)], axis=1)
    weight = predictor.recipe.data.sample_weight
    if weight is not None and weight not in answered:
        answered[weight] = 1.0
    return Table(pd.concat([rows.frame, answered], ignore_index=True), rows.folder)


def _held_out(labels: pd.DataFrame, seed: int) -> np.ndarray:
    """bool [N]: one row of five, spread over the labels; none that alone has a label that repeats
    elsewhere."""
    words = labels.astype(str).agg(" ".join, axis=1)
    order = np.random.default_rng(seed).permutation(len(words))
    order = order[np.argsort(words.to_numpy()[order], kind="stable")]
    held = np.zeros(len(words), dtype=bool)
    held[order[_ONE_OF // 2 :: _ONE_OF]] = True
    if words.nunique() < len(words) / 2:  # classes, not numbers
        held &= (words.map(words.value_counts()) > 1).to_numpy()
    return held
