"""A recipe's network, with its adapters applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import nn

from mm_core.api.errors import RecipeError
from mm_core.api.nn import Adapter, Backbone, BackboneContext, FusionHead, Parts, Topology
from mm_core.api.processors import Processor
from mm_core.api.specs import AdapterSpec, BackboneSpec, FusionHeadSpec, TaskSpec
from mm_core.api.tasks import Task
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.pipeline import read_config
from mm_core.plugins.registry import Registry
from mm_core.recipe.recipe import Recipe


def build_topology(
    recipe: Recipe,
    processors: Mapping[str, Processor],
    task: Task,
    registry: Registry,
    *,
    finder: CheckpointFinder | None = None,
    architectures: Mapping[str, Mapping[str, Any]] | None = None,
    saved: Mapping[str, Mapping[str, Any]] | None = None,
) -> Topology:
    """The network with its adapters applied.

    Args:
        recipe: what it consists of.
        processors: of its inputs.
        task: learned.
        registry: installed components.
        finder: where the checkpoints of backbones come from; None: no backbone starts from one.
        architectures: backbone name -> what it said of itself when it was saved. It is built like
            that, without its checkpoint.
        saved: likewise, of backbones that are filled from their checkpoints again too.
    """
    _check_names(recipe)
    shared = shared_backbones(recipe)
    built = {
        name: build_backbone(
            name,
            recipe,
            processors,
            task,
            registry,
            finder,
            (architectures or {}).get(name),
            (saved or architectures or {}).get(name),
        )
        for name in recipe.backbones
        if name not in shared
    }
    chosen = registry.get(TaskSpec, recipe.task.id)
    backbones = {name: built[shared.get(name, name)] for name in recipe.backbones}
    parts = Parts(
        backbones=backbones,
        backbone_inputs={name: part.inputs for name, part in recipe.backbones.items()},
        task=task,
        fusion=_fusion(recipe, backbones, task, registry),
        config=chosen.read(recipe.topology, where="topology", attribute="topology_config"),
        roles=_roles(recipe),
        infos={name: processor.info for name, processor in processors.items()},
        shared=shared,
    )
    topology: Topology = chosen.load("topology")(parts)
    return topology


def build_backbone(
    name: str,
    recipe: Recipe,
    processors: Mapping[str, Processor],
    task: Task,
    registry: Registry,
    finder: CheckpointFinder | None,
    architecture: Mapping[str, Any] | None,
    saved: Mapping[str, Any] | None,
) -> Backbone:
    """A backbone of the recipe with its adapter applied; see :func:`build_topology`."""
    part = recipe.backbones[name]
    component = registry.get(BackboneSpec, part.id)
    checkpoint = None
    if finder is not None and architecture is None:
        checkpoint = finder.fetch(part.id, part.config.get("checkpoint"))
    context = BackboneContext(
        inputs={given: processors[given].info for given in part.inputs},
        task=task.info,
        checkpoint=checkpoint,
        architecture=architecture,
        modalities={given: _modality(recipe, given) for given in part.inputs},
        saved=saved,
    )
    backbone: Backbone = component.load()(
        read_config(component, part, f"backbones.{name}"), context
    )
    if part.adapter is not None:
        chosen = registry.get(AdapterSpec, part.adapter.id)
        adapter: Adapter = chosen.load()(
            read_config(chosen, part.adapter, f"backbones.{name}.adapter")
        )
        adapter.apply(backbone)
        backbone.adapter = adapter
        for module in backbone.new:  # random weights: frozen ones would be noise
            module.requires_grad_(True)
    return backbone


def shared_backbones(recipe: Recipe) -> dict[str, str]:
    """Name of a backbone -> the other name of the same module."""
    return {
        name: part.share_with
        for name, part in recipe.backbones.items()
        if part.share_with is not None
    }


def backbones_of(topology: Topology) -> dict[str, Backbone]:
    """By name."""
    return {name: cast("Backbone", backbone) for name, backbone in topology.backbones.items()}


def architectures(topology: Topology) -> dict[str, dict[str, Any]]:
    """Backbone name -> what is needed to build it again without checkpoint; shared ones once."""
    return {
        name: backbone.architecture
        for name, backbone in backbones_of(topology).items()
        if name not in topology.shared
    }


def _modality(recipe: Recipe, name: str) -> str:
    """Id of the modality of an input: its columns have one."""
    plan = recipe.columns.plan(recipe.inputs[name].columns[0])
    assert plan is not None
    assert plan.modality is not None
    return plan.modality


def _roles(recipe: Recipe) -> dict[str, tuple[str, ...]]:
    roles: dict[str, tuple[str, ...]] = {}
    for name, part in recipe.inputs.items():
        if part.role is not None:
            roles[part.role] = (*roles.get(part.role, ()), name)
    return roles


def _check_names(recipe: Recipe) -> None:
    for name in recipe.backbones:
        if hasattr(nn.ModuleDict(), name) or hasattr(nn.ParameterDict(), name):
            raise RecipeError(
                f"a backbone cannot be called {name!r}, which is a name of torch's own",
                value=name,
                remedy="call the input or backbone differently",
            )


def _fusion(
    recipe: Recipe, backbones: Mapping[str, Backbone], task: Task, registry: Registry
) -> FusionHead | None:
    if recipe.fusion is None:
        return None
    component = registry.get(FusionHeadSpec, recipe.fusion.id)
    dims = {name: backbone.dims for name, backbone in backbones.items()}
    head: FusionHead = component.load()(
        read_config(component, recipe.fusion, "fusion"), dims, task.output_dim
    )
    return head
