"""New networks beside pretrained ones: which they are, and what each is as a model by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mm_core.api.specs import BackboneSpec, TaskSpec
from mm_core.plugins.registry import Component, Registry
from mm_core.plugins.slots import USER
from mm_core.recipe.fitters import DEFAULT_FITTER
from mm_core.recipe.parts import Part
from mm_core.recipe.recipe import Recipe


def beside_others(
    components: Mapping[str, Component[BackboneSpec]], task: Component[TaskSpec]
) -> tuple[str, ...]:
    """Names of the backbones that have a pace of their own (``alone``) and stand beside others.

    None where all have one, or none has, or where columns play roles: a side of a match alone is no
    model. Nor is a backbone that does not give what the task reads.
    """
    own = [name for name, component in components.items() if component.spec.alone]
    if len(own) == len(components) or task.spec.roles:
        return ()
    needs = set(task.spec.needs)
    return tuple(name for name in own if needs <= set(components[name].spec.provides))


def alone(recipe: Recipe, name: str, registry: Registry) -> Recipe:
    """The recipe of one backbone as a model of its own inputs, by its spec's training values.

    What the user set of ``training``, and of the backbone's rate, holds for it too.
    """
    part = recipe.backbones[name]
    wishes: Mapping[str, Any] = registry.get(BackboneSpec, part.id).spec.alone
    values = {
        key: value for key, value in wishes.items() if recipe.origin(f"training.{key}") != USER
    }
    fewer = recipe.model_copy(
        update={
            "inputs": {given: recipe.inputs[given] for given in part.inputs},
            "backbones": {name: part},
            "fusion": None,
            "fit": Part(id=DEFAULT_FITTER),  # whatever fits the whole: this learns the labels
        }
    )
    return fewer.with_training({**values, "new_first": False}, f"backbone {part.id} alone")
