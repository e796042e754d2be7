"""Which losses fit a task, and which metric goes with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mm_core.api.errors import ConfigError
from mm_core.api.specs import LossSpec, TaskSpec
from mm_core.plugins import lookup
from mm_core.plugins.registry import Component, Registry
from mm_core.recipe.recipe import Recipe
from mm_core.scoring import Metrics

_BY_LOSS = "loss "
"""So begins the origin of a metric that the loss names."""


def fitting_losses(task: Component[TaskSpec], registry: Registry) -> list[Component[LossSpec]]:
    """The losses a task can be trained with: those it lists, its default first, and those of other
    plugins that read a target that one of these reads. Empty: the task has a loss of its own.
    """
    names = sorted(task.spec.losses, key=lambda name: name != task.spec.default_loss)
    listed = [_own_first(name, task, registry) for name in names]
    needs = {loss.spec.needs for loss in listed}
    others = [
        loss
        for loss in registry.all(LossSpec)
        if loss.plugin.name != task.plugin.name and loss.spec.needs in needs and loss not in listed
    ]
    return [*listed, *others]


def choose_loss(
    name: str | None, task: Component[TaskSpec], registry: Registry
) -> Component[LossSpec] | None:
    """The loss of that name or id, if it fits the task; no name: the task's default, if any.

    Raises:
        ConfigError: it does not fit the task, or there is no such loss; lists those that fit.
        AmbiguousComponentError: several plugins have a fitting one of that name.
    """
    fitting = fitting_losses(task, registry)
    if name is None:
        return fitting[0] if fitting else None
    if not fitting:
        raise ConfigError(
            f"training.loss={name}: {task.id} has a loss of its own",
            plugin=task.id,
            value=name,
            remedy="leave training.loss out",
        )
    found = [loss for loss in fitting if name in (loss.id, loss.spec.name)]
    own = [loss for loss in found if {loss.id, loss.spec.name} & set(task.spec.losses)]
    if len(own or found) == 1:
        return (own or found)[0]
    if found:
        raise lookup.ambiguous(LossSpec.kind, name, [loss.id for loss in found])
    raise ConfigError(
        f"training.loss={name}: {_why_not(name, task, registry)}",
        plugin=task.id,
        value=name,
        remedy=f"choose from {', '.join(loss.spec.name for loss in fitting)}",
    )


def default_validation(
    task: Component[TaskSpec], loss: Component[LossSpec] | None, shown: str, metrics: Metrics
) -> tuple[str, str]:
    """Id and origin of the metric that chooses the best epoch, unless the user names one.

    The loss's comes first: it knows what the answers aim at, be it the task's default or not.

    Args:
        task: the task.
        loss: that it is trained with; None: the task's own.
        shown: id of the metric of evaluation, taken where neither names one.
        metrics: to look names up.

    Raises:
        UnknownComponentError: no such metric.
        ConfigError: it is not defined for the task.
    """
    if loss is not None and loss.spec.validation_metric is not None:
        return metrics.resolve(loss.spec.validation_metric, task, loss), _BY_LOSS + loss.id
    if task.spec.validation_metric is not None:
        return metrics.resolve(task.spec.validation_metric, task), f"task {task.id}"
    return shown, "data.eval_metric"


def chosen_by_loss(recipe: Recipe) -> bool:
    """Whether the loss names the metric that chooses the best epoch, so that another names its own.
    False: the user does, or the task."""
    return recipe.origin("data.validation_metric").startswith(_BY_LOSS)


def refuse_settings(settings: Mapping[str, Any], task: Component[TaskSpec]) -> None:
    """Raise ConfigError where there are settings for the loss of a task that has its own."""
    for key, value in settings.items():
        raise ConfigError(
            f"training.loss.{key}={value}: {task.id} has a loss of its own",
            plugin=task.id,
            value=value,
            remedy="leave training.loss out",
        )


def _own_first(name: str, task: Component[TaskSpec], registry: Registry) -> Component[LossSpec]:
    own = f"{task.plugin.name}:{name}"
    ids = {loss.id for loss in registry.all(LossSpec)}
    return registry.get(LossSpec, own if own in ids else name)


def _why_not(name: str, task: Component[TaskSpec], registry: Registry) -> str:
    for loss in registry.all(LossSpec):
        if name in (loss.id, loss.spec.name):
            return f"{loss.id} reads the target {loss.spec.needs!r} and is not for {task.spec.name}"
    return "there is no such loss"
