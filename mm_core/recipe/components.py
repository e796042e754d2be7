"""Every component of a plan, by the dotted key that its settings stand under."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mm_core.api.specs import TaskSpec
from mm_core.plugins.registry import Component, Registry
from mm_core.plugins.slots import inside
from mm_core.recipe.recipe import Recipe


def components(recipe: Recipe, registry: Registry) -> Iterator[tuple[str, Component[Any]]]:
    """(dotted key, component) of each, those in the slots of others among them; of several in a
    list the key ends with a number, which is none that can be set.

    Args:
        recipe: a plan.
        registry: installed components.

    Raises:
        UnknownComponentError: one is not installed.
    """
    for key, kind, part in recipe.parts():
        component = registry.get(kind, part.id)
        yield key, component
        yield from _inside(key, component, "config", part.config, registry)
    task = registry.get(TaskSpec, recipe.task.id)
    yield from _inside("topology", task, "topology_config", recipe.topology, registry)


def _inside(
    place: str,
    component: Component[Any],
    attribute: str,
    settings: Mapping[str, Any],
    registry: Registry,
) -> Iterator[tuple[str, Component[Any]]]:
    for key, kind, name in inside(component.config_class(attribute), settings, registry):
        yield f"{place}.{key}", registry.get(kind, name)
