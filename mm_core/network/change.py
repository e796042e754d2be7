"""Networks made of trained networks: adapters folded in, outputs added."""

from __future__ import annotations

import copy

import torch

from mm_core.api.tasks import Task
from mm_core.model import Model
from mm_core.network.build import architectures, backbones_of, build_topology
from mm_core.network.engine import NetworkEngine
from mm_core.pipeline import Pipeline
from mm_core.plugins.registry import Registry
from mm_core.recipe.recipe import Recipe


def merge_adapters(model: Model) -> None:
    """Fold all adapters into their backbones, in place: the recipe names none, no plugin of theirs
    is needed, and nothing is frozen.
    """
    origins = dict(model.recipe.origins)
    for name, backbone in backbones_of(model.topology).items():
        if backbone.adapter is not None:  # of a shared one under its first name
            backbone.adapter.merge(backbone)
            backbone.adapter = None
            backbone.still = ()
            backbone.requires_grad_(True)
        if model.recipe.backbones[name].adapter is None:
            continue
        section = f"backbones.{name}.adapter"
        origins = {key: said for key, said in origins.items() if not key.startswith(f"{section}.")}
        origins[section] = "merged"
    parts = {
        name: part.model_copy(update={"adapter": None})
        for name, part in model.recipe.backbones.items()
    }
    changed = {"backbones": parts, "origins": origins}
    model.pipeline.recipe = model.recipe.model_copy(update=changed)


def grown(model: Model, recipe: Recipe, task: Task, registry: Registry) -> Model:
    """The same model by another recipe and a task with more outputs; ``model`` stays as it is.

    New outputs come after the old ones, in every layer that has one row for each: their weights are
    new, all others are those of ``model``, and so is what a topology keeps beside its weights.
    """
    topology = build_topology(
        recipe, model.processors, task, registry, architectures=architectures(model.topology)
    )
    old = model.topology.state_dict()
    with torch.no_grad():
        for name, value in topology.state_dict().items():
            value[tuple(slice(n) for n in old[name].shape)] = old[name]
    topology.load_state(copy.deepcopy(model.topology.state()))
    pipeline = Pipeline(recipe, model.processors, task, options=model.pipeline.options)
    return Model(pipeline, NetworkEngine(topology))
