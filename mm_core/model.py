"""Model: a recipe with its fitted processors, task and network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast

import torch
from torch import nn

from mm_core.api.config import Config
from mm_core.api.errors import RecipeError
from mm_core.api.loss import Criterion
from mm_core.api.nn import Adapter, Backbone, BackboneContext, FusionHead, Parts, Topology
from mm_core.api.processors import Field, Processor, Table
from mm_core.api.specs import (
    AdapterSpec,
    BackboneSpec,
    FusionHeadSpec,
    ModalitySpec,
    ProcessorSpec,
    TaskSpec,
)
from mm_core.api.tasks import Task
from mm_core.data.encoded import EncodedFrame, encode_inputs
from mm_core.plugins.registry import Component, Registry
from mm_core.recipe.checkpoints import CheckpointFinder
from mm_core.recipe.losses import choose_loss
from mm_core.recipe.mixing import check_mixing
from mm_core.recipe.parts import BackbonePart, InputPart, Part
from mm_core.recipe.recipe import Recipe


@dataclass
class Model:
    """Everything that turns rows into answers."""

    recipe: Recipe
    processors: dict[str, Processor]
    task: Task
    topology: Topology

    def encode(self, table: Table) -> EncodedFrame:
        """Encode rows that hold the columns of the recipe's inputs."""
        columns = {name: part.columns for name, part in self.recipe.inputs.items()}
        return encode_inputs(self.processors, columns, table)

    def ready(self) -> Self:
        """The model, set up to predict: on the GPU where there is one, without dropout."""
        self.topology.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        return self

    @property
    def device(self) -> torch.device:
        """Where the network's parameters are."""
        return next(self.topology.parameters()).device


def encode_with_targets(model: Model, table: Table) -> EncodedFrame:
    """Encode rows together with their labels."""
    frame = model.encode(table)
    frame.labels = table.frame[list(model.task.label)]
    frame.targets = model.task.encode(frame.labels)
    return frame


def read_config(component: Component[Any], part: Part, where: str) -> Config:
    """The validated config of a part of a recipe."""
    return component.read(part.config, where=where)


def input_fields(recipe: Recipe, part: InputPart) -> tuple[Field, ...]:
    """The columns of an input with the form of their cells."""
    plans = {plan.name: plan for plan in recipe.columns.columns}
    return tuple(Field(column, plans[column].kind or "") for column in part.columns)


def check_recipe(recipe: Recipe, registry: Registry) -> None:
    """Refuse a recipe whose columns are of unknown kinds, or whose names torch cannot hold.

    Raises:
        RecipeError: says which, or what cannot be mixed as asked.
        UnknownComponentError: a modality that is not installed.
    """
    for plan in recipe.columns.columns:
        if plan.modality is None:
            continue
        kinds = registry.get(ModalitySpec, plan.modality).spec.kinds
        if plan.kind not in kinds:
            raise RecipeError(
                f"column {plan.name!r} is said to be {plan.kind!r}, which {plan.modality} is not",
                column=plan.name,
                value=plan.kind,
                remedy=f"kinds: {', '.join(kinds)}",
            )
    check_mixing(recipe, registry)
    for name in recipe.backbones:
        if hasattr(nn.ModuleDict(), name) or hasattr(nn.ParameterDict(), name):
            raise RecipeError(
                f"a backbone cannot be called {name!r}, which is a name of torch's own",
                value=name,
                remedy="call the input or backbone differently",
            )


def fit_processors(
    recipe: Recipe, table: Table, registry: Registry, finder: CheckpointFinder
) -> dict[str, Processor]:
    """Processors fitted on training rows."""
    fitted: dict[str, Processor] = {}
    for name, part in recipe.inputs.items():
        component = registry.get(ProcessorSpec, part.processor.id)
        reader = next(b for b in recipe.backbones.values() if name in b.inputs)
        processor: Processor = component.load()(
            read_config(component, part.processor, f"inputs.{name}.processor"),
            input_fields(recipe, part),
            _checkpoint(reader, finder),
        )
        processor.fit(Table(table.frame[list(part.columns)], table.folder))
        fitted[name] = processor
    return fitted


def build_task(recipe: Recipe, registry: Registry) -> Task:
    """The recipe's task with its criterion, not yet learned."""
    component = registry.get(TaskSpec, recipe.task.id)
    task: Task = component.load()(read_config(component, recipe.task, "task"), recipe.data.label)
    task.criterion = build_criterion(recipe.training.loss, component, registry)
    return task


def build_criterion(
    part: Part | None, task: Component[TaskSpec], registry: Registry
) -> Criterion | None:
    """What a task is trained with; None: it has a loss of its own.

    Args:
        part: the loss that the recipe names (``training.loss``); None: the task's default.
        task: the task.
        registry: installed components.

    Raises:
        ConfigError: the loss does not fit the task.
    """
    loss = choose_loss(None if part is None else part.id, task, registry)
    if loss is None:
        return None
    config = read_config(loss, part or Part(id=loss.id), "training.loss")
    return Criterion(loss.load()(config), loss.spec.needs)


def build_topology(
    recipe: Recipe,
    processors: Mapping[str, Processor],
    task: Task,
    registry: Registry,
    *,
    finder: CheckpointFinder | None = None,
    architectures: Mapping[str, Mapping[str, Any]] | None = None,
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
    """
    backbones = {
        name: build_backbone(
            name, recipe, processors, task, registry, finder, (architectures or {}).get(name)
        )
        for name in recipe.backbones
    }
    chosen = registry.get(TaskSpec, recipe.task.id)
    parts = Parts(
        backbones=backbones,
        backbone_inputs={name: part.inputs for name, part in recipe.backbones.items()},
        task=task,
        fusion=_fusion(recipe, backbones, task, registry),
        config=chosen.read(recipe.topology, where="topology", attribute="topology_config"),
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
) -> Backbone:
    """A backbone of the recipe with its adapter applied; see :func:`build_topology`."""
    part = recipe.backbones[name]
    component = registry.get(BackboneSpec, part.id)
    context = BackboneContext(
        inputs={given: processors[given].info for given in part.inputs},
        task=task.info,
        checkpoint=_checkpoint(part, finder) if architecture is None else None,
        architecture=architecture,
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
    return backbone


def merge_adapters(model: Model) -> None:
    """Fold all adapters into their backbones, in place: the recipe names none, no plugin of theirs
    is needed, and nothing is frozen.
    """
    origins = dict(model.recipe.origins)
    for name, backbone in _backbones(model.topology).items():
        if backbone.adapter is None:
            continue
        backbone.adapter.merge(backbone)
        backbone.adapter = None
        backbone.still = ()
        backbone.requires_grad_(True)
        section = f"backbones.{name}.adapter"
        origins = {key: said for key, said in origins.items() if not key.startswith(f"{section}.")}
        origins[section] = "merged"
    parts = {
        name: part.model_copy(update={"adapter": None})
        for name, part in model.recipe.backbones.items()
    }
    model.recipe = model.recipe.model_copy(update={"backbones": parts, "origins": origins})


def grown(model: Model, recipe: Recipe, task: Task, registry: Registry) -> Model:
    """The same model by another recipe and a task with more outputs; ``model`` stays as it is.

    New outputs come after the old ones, in every layer that has one row for each: their weights are
    new, all others are those of ``model``.
    """
    topology = build_topology(
        recipe, model.processors, task, registry, architectures=architectures(model.topology)
    )
    old = model.topology.state_dict()
    with torch.no_grad():
        for name, value in topology.state_dict().items():
            value[tuple(slice(n) for n in old[name].shape)] = old[name]
    return Model(recipe, model.processors, task, topology)


def architectures(topology: Topology) -> dict[str, dict[str, Any]]:
    """Backbone name -> what is needed to build it again without its checkpoint."""
    return {name: backbone.architecture for name, backbone in _backbones(topology).items()}


def _backbones(topology: Topology) -> dict[str, Backbone]:
    return {name: cast("Backbone", backbone) for name, backbone in topology.backbones.items()}


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


def _checkpoint(part: BackbonePart, finder: CheckpointFinder | None) -> Any:
    name = part.config.get("checkpoint")
    return None if name is None or finder is None else finder.find(part.id, [name]).checkpoint
