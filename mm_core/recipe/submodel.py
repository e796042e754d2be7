"""The recipe of a model inside a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mm_core.api.errors import ConfigError
from mm_core.api.processors import Table
from mm_core.api.specs import FitterSpec
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.plugins.registry import Registry
from mm_core.plugins.slots import USER
from mm_core.recipe.recipe import Recipe
from mm_core.recipe.request import Request
from mm_core.recipe.resolve import resolve
from mm_core.schema.schema import IGNORE
from mm_core.scoring import Metrics


def plan_submodel(
    outer: Recipe,
    settings: Mapping[str, Any],
    rows: Table,
    registry: Registry,
    finder: CheckpointFinder,
    metrics: Metrics,
) -> Recipe:
    """The plan for another model of the same columns, label, task and metrics.

    Args:
        outer: the recipe of the model that it is to stand in.
        settings: of the new one, as ``hyperparameters``; and ``presets``, a name or several, in
            the place of those that the user chose.
        rows: its training rows.
        registry: installed components.
        finder: where checkpoints come from.
        metrics: to look names up.

    Raises:
        ConfigError: a setting that is not its own to choose, or is wrong.
    """
    task = {f"task.{key}": value for key, value in outer.task.config.items()}
    training = {
        key: value
        for key, value in outer.flat().items()
        if key.startswith("training.") and outer.origin(key) == USER
    }
    own = dict(settings)
    reads = _training_read(own, registry)
    if reads is not None:
        training = {key: value for key, value in training.items() if key.split(".")[1] in reads}
    presets = _presets(own.pop("presets", outer.presets or None))
    data = outer.data
    kinds = {
        plan.name: IGNORE if plan.modality is None else f"{plan.modality.split(':')[1]}:{plan.kind}"
        for plan in outer.columns.columns
        if plan.name in rows.frame.columns
    }
    request = Request(
        label=data.label,
        problem_type=outer.task.id,
        presets=presets,
        hyperparameters=(task, training, own),
        column_types=kinds,
        roles=outer.roles,
        eval_metric=data.eval_metric,
        validation_metric=data.validation_metric,
        sample_weight=data.sample_weight,
    )
    return resolve(rows, request, registry, finder, metrics)


def _training_read(own: Mapping[str, Any], registry: Registry) -> set[str] | None:
    """Settings of ``training`` that the fitter it names reads; None: all, or it names none."""
    named = own.get("fit.id", own.get("fit"))
    if isinstance(named, Mapping):
        named = named.get("id")
    reads = None if named is None else registry.get(FitterSpec, named).spec.training
    return None if reads is None else {*reads, "loss"}


def _presets(named: Any) -> Sequence[str] | None:
    names = [named] if isinstance(named, str) else named
    if names is None:
        return None
    if not isinstance(names, (list, tuple)) or not all(isinstance(one, str) for one in names):
        raise ConfigError(
            f"the presets of a model inside the model are names, not {named!r}",
            value=named,
            remedy='"presets": "medium_quality", or a list of names',
        )
    return names or None
