"""What is offered beside answers: options of a prediction, methods of predictors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mm_core.api.config import Config, suggest
from mm_core.api.errors import AmbiguousComponentError, ConfigError, UnknownComponentError
from mm_core.api.specs import MethodSpec, ModelMethodSpec, TaskSpec
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


@dataclass(frozen=True)
class Method:
    """A method that predictors have, and whose it is.

    Attributes:
        owner: the task, or the component that is the method.
        spec: its record.
    """

    owner: Component[Any]
    spec: MethodSpec

    def bound(self, predictor: Any) -> Callable[..., Any]:
        """To be called without the predictor, which it is given.

        Raises:
            PluginLoadError: its function cannot be imported.
        """
        function: Callable[..., Any] = self.owner.find(self.spec.target, self.spec.name)
        return partial(function, predictor)


@dataclass(frozen=True)
class Having:
    """What decides which methods a predictor has.

    Attributes:
        task: of the model, or the one that was named; None: not known yet.
        runtime: of the model; None: there is none yet.
    """

    task: str | None = None
    runtime: str | None = None


def methods_of(having: Having, registry: Registry) -> dict[str, list[Method]]:
    """By name; several plugins may offer a method of one name."""
    task = _task(having.task, registry)
    found: dict[str, list[Method]] = {}
    for component in registry.all(ModelMethodSpec):
        if _fits(component.spec, None if task is None else task.id, having.runtime):
            found.setdefault(component.spec.name, []).append(Method(component, component.spec))
    own = () if task is None else task.spec.methods
    return found | {spec.name: [Method(task, spec)] for spec in own if task is not None}


def every_method(registry: Registry) -> list[MethodSpec]:
    """Of all tasks, and of none."""
    of_tasks = [spec for task in registry.all(TaskSpec) for spec in task.spec.methods]
    return [*of_tasks, *(component.spec for component in registry.all(ModelMethodSpec))]


def method_of(having: Having, name: str, registry: Registry) -> Method | None:
    """The method of that name; None: there is none.

    Raises:
        AmbiguousComponentError: several plugins offer it.
    """
    found = methods_of(having, registry).get(name, [])
    if len(found) > 1:
        raise AmbiguousComponentError(
            f"the method {name!r} is offered by several plugins: "
            f"{', '.join(one.owner.id for one in found)}",
            value=[one.owner.id for one in found],
            remedy="leave one of them out: MM_DISABLE_PLUGINS="
            f"{found[0].owner.plugin.name}, before Python starts",
        )
    return found[0] if found else None


def no_method(having: Having, name: str, known: Sequence[str]) -> AttributeError:
    """Neither the predictor nor a plugin has it; says what is near."""
    near = suggest(name, list(known))
    return AttributeError(
        f"MultiModalPredictor has no {name!r}"
        + (f", and {having.task} brings none" if having.task else "")
        + (f"; did you mean {near!r}?" if near else "")
    )


def _task(name: str | None, registry: Registry) -> Component[TaskSpec] | None:
    try:
        return None if name is None else registry.get(TaskSpec, name)
    except (UnknownComponentError, AmbiguousComponentError):  # told when it is planned
        return None


def _fits(spec: ModelMethodSpec, task: str | None, runtime: str | None) -> bool:
    return (not spec.tasks or task in spec.tasks) and (
        not spec.runtimes or runtime in spec.runtimes
    )
