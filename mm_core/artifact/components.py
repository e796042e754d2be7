"""Which components, and so which plugins, loading a model needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mm_core.api.errors import PluginError
from mm_core.api.specs import (
    AdapterSpec,
    BackboneSpec,
    ComponentSpec,
    ConfigurableSpec,
    FitterSpec,
    FusionHeadSpec,
    LossSpec,
    ModalitySpec,
    RuntimeSpec,
    TaskSpec,
)
from mm_core.artifact.manifest import PluginRecord
from mm_core.model import Model
from mm_core.plugins.registry import Registry
from mm_core.plugins.slots import inside
from mm_core.recipe.recipe import Recipe

_OF_TRAINING = (FitterSpec, LossSpec)
"""Kinds that a model does without once it is trained."""

_OF_NETWORKS = (BackboneSpec, AdapterSpec, FusionHeadSpec)
"""Kinds that a model does without whose engine is built of none of them."""


def component_ids(
    recipe: Recipe, runtime: str, registry: Registry
) -> dict[tuple[type[ComponentSpec], str], None]:
    """(kind, id) of every component that loading a model of this recipe needs, each once.

    Components in slots are among them, below what is installed.

    Args:
        recipe: of the model.
        runtime: id of the runtime that answers.
        registry: installed components; says whether that runtime is built of backbones and heads.
    """
    found: dict[tuple[type[ComponentSpec], str], None] = {(RuntimeSpec, runtime): None}
    found |= dict.fromkeys((ModalitySpec, name) for name in recipe.columns.by_modality())
    known = {component.id: component.spec for component in registry.all(RuntimeSpec)}
    network = runtime in known and known[runtime].network
    unneeded = _OF_TRAINING if network else (*_OF_TRAINING, *_OF_NETWORKS)
    for _, kind, part in recipe.parts():
        if kind not in unneeded:
            found[kind, part.id] = None
            found |= dict.fromkeys(_inside(kind, part.id, "config", part.config, registry))
    if network:
        settings = recipe.topology
        found |= dict.fromkeys(
            _inside(TaskSpec, recipe.task.id, "topology_config", settings, registry)
        )
    return found


def plugin_records(model: Model, registry: Registry) -> list[PluginRecord]:
    """The plugins behind a model's components, sorted by name."""
    plugins = {
        plugin.name: plugin
        for kind, name in component_ids(model.recipe, model.runtime, registry)
        for plugin in [registry.get(kind, name).plugin]
    }
    return [
        PluginRecord(
            name=plugin.name,
            distribution=plugin.distribution,
            version=plugin.version,
            sha256=plugin.sha256,
        )
        for _, plugin in sorted(plugins.items())
    ]


def _inside(
    kind: type[ConfigurableSpec],
    name: str,
    attribute: str,
    settings: Mapping[str, Any],
    registry: Registry,
) -> Iterator[tuple[type[ConfigurableSpec], str]]:
    try:
        config = registry.get(kind, name).config_class(attribute)
    except PluginError:  # told where it is needed itself
        return
    yield from ((kind, name) for _, kind, name in inside(config, settings, registry))
