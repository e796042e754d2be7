"""What a task offers beside answers: options of a prediction, methods of its models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mm_core.api.config import Config, suggest
from mm_core.api.errors import AmbiguousComponentError, ConfigError, UnknownComponentError
from mm_core.api.specs import MethodSpec, TaskSpec
from mm_core.plugins.registry import Component, Registry


def read_options(task: Component[TaskSpec], given: Mapping[str, Any]) -> Config:
    """The options of a prediction, validated.

    Raises:
        ConfigError: an option that the task does not have, of the wrong type, or that is lacking.
    """
    known = task.config_class("options")
    strange = [name for name in given if name not in known.model_fields]
    if strange:
        names = list(known.model_fields)
        near = suggest(strange[0], names)
        raise ConfigError(
            f"{task.id} has no option {strange[0]!r}",
            plugin=task.id,
            value=strange[0],
            remedy=f"did you mean {near!r}?"
            if near
            else f"options: {', '.join(names)}"
            if names
            else "leave it out: this task has none",
        )
    return task.read(given, where="", attribute="options")


def default_options(task: Component[TaskSpec]) -> Config | None:
    """The options where none are given; None: some of them have to be."""
    fields = task.config_class("options").model_fields.values()
    return None if any(field.is_required() for field in fields) else read_options(task, {})


def methods_of(task: str | None, registry: Registry) -> dict[str, MethodSpec]:
    """The methods of a task's models by name; none where no task is named, or none of that name."""
    try:
        methods = () if task is None else registry.get(TaskSpec, task).spec.methods
    except (UnknownComponentError, AmbiguousComponentError):  # told when it is planned
        return {}
    return {method.name: method for method in methods}


def bound_method(task: str, name: str, registry: Registry, predictor: Any) -> Callable[..., Any]:
    """A method of a task's models, to be called without the predictor, which it is given.

    Raises:
        LookupError: the task has no such method.
        PluginLoadError: its function cannot be imported.
    """
    component = registry.get(TaskSpec, task)
    target: Callable[..., Any] = component.find(methods_of(task, registry)[name].target, name)
    return partial(target, predictor)


def method_of(
    task: str | None, name: str, registry: Registry, predictor: Any, known: list[str]
) -> Callable[..., Any]:
    """A method of a predictor that its task brings.

    Args:
        task: id of the task; None: not known yet.
        name: what was asked for.
        registry: installed components.
        predictor: that was asked.
        known: names that it has.

    Raises:
        AttributeError: neither the predictor nor the task has it; says what is near.
    """
    if task is not None and name in methods_of(task, registry):
        return bound_method(task, name, registry, predictor)
    near = suggest(name, known)
    raise AttributeError(
        f"MultiModalPredictor has no {name!r}"
        + (f", and {task} brings none" if task else "")
        + (f"; did you mean {near!r}?" if near else "")
    )
