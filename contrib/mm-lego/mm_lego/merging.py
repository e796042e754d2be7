"""Models of different inputs as one: their backbones and blocks side by side, nothing trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import torch
from torch import nn

from mm_core.api import ArtifactError, ConfigError, FusionHeadSpec, Task
from mm_core.api.nn import Parts, Topology
from mm_core.api.tools import Model, Registry, installed, load_model, save_model
from mm_lego.blocks import spherical_mean
from mm_lego.heads import LegoFuse, LegoMerge

Method = Literal["merge", "fuse"]


def merge(
    folders: Sequence[str | Path],
    out: str | Path,
    method: Method = "merge",
    shares: Mapping[str, float] | None = None,
    plugins: Sequence[str | Path] = (),
) -> Path:
    """Write a model of all inputs of several, as it stands: their weights are not trained.

    Args:
        folders: of models with ``fusion=lego:merge``, of other inputs each, for the same labels.
        out: folder of the new model.
        method: ``merge``, which answers at once; ``fuse``, which is to be trained further for some
            epochs (``mm fit --from``).
        shares: backbone -> its weight in a merge; 1 where none is given.
        plugins: one-file plugins.

    Raises:
        ConfigError: they do not fit together; says which and why.
        ArtifactError: a folder holds no model, or ``out`` is one of the folders.
    """
    if len(folders) < 2:
        raise ConfigError(
            "there is nothing to merge", value=list(map(str, folders)), remedy="name two models"
        )
    if Path(out).resolve() in {Path(one).resolve() for one in folders}:
        raise ArtifactError(
            f"{str(out)!r} is one of the models that are merged",
            value=str(out),
            remedy="write the merged model to another folder",
        )
    registry = installed(plugins)
    loaded = [load_model(folder, registry) for folder in folders]
    named = dict(zip(map(str, folders), (model for model, _ in loaded), strict=True))
    if len(named) < len(folders):
        raise ConfigError(
            "a model is named twice", value=list(named), remedy="name models of different inputs"
        )
    model = merged_model(named, registry, method, shares or {})
    return save_model(model, loaded[0][1], registry, out)


def merged_model(
    models: Mapping[str, Model], registry: Registry, method: Method, shares: Mapping[str, float]
) -> Model:
    """The model of :func:`merge`; ``models`` by what they are called in messages."""
    heads = {name: _head(name, model) for name, model in models.items()}
    _check_alike(models, heads)
    first = next(iter(models.values()))
    backbones = _joined(models, lambda model: model.topology.backbones, "backbone")
    processors = _joined(models, lambda model: model.processors, "input")
    component = registry.get(FusionHeadSpec, f"lego:{method}")
    own = {"shares"} if method == "merge" else {"shares", "method"}  # a fuse takes no means
    settings = next(iter(heads.values())).config.model_dump(exclude=own)
    if method == "merge":
        settings |= {"shares": dict(shares)}
    elif shares:
        raise ConfigError(
            "shares are of merge, not of fuse", value=dict(shares), remedy="leave out"
        )
    config = component.read(settings, where="fusion")
    dims = {name: backbone.dims for name, backbone in backbones.items()}
    task = _fresh(models)
    head = component.load()(config, dims, task.output_dim)
    _take_over(head, heads)
    recipe = _recipe(models, component.id, config)
    parts = Parts(
        backbones=backbones,
        backbone_inputs=_joined(models, lambda one: one.topology.backbone_inputs, "backbone"),
        task=task,
        fusion=head,
        config=first.topology.config,
        infos={name: processor.info for name, processor in processors.items()},
    )
    topology: Topology = type(first.topology)(parts)
    pipeline = type(first.pipeline)(
        recipe, processors, task, first.pipeline.reads_rows, first.pipeline.options
    )
    return Model(pipeline, type(first.engine)(topology), first.runtime).ready()  # type: ignore[call-arg]


def _head(name: str, model: Model) -> LegoMerge:
    head = model.topology.fusion
    if not isinstance(head, LegoMerge) or model.topology.shared:
        raise ConfigError(
            f"{name} has no blocks to merge: its fusion is "
            f"{None if model.recipe.fusion is None else model.recipe.fusion.id}",
            plugin="lego",
            value=name,
            remedy="fit it with --set fusion=lego:merge",
        )
    return head


def _check_alike(models: Mapping[str, Model], heads: Mapping[str, LegoMerge]) -> None:
    """All are for the same task, label and classes, and their blocks of one shape."""
    (first, wanted), *others = models.items()
    for name, model in others:
        task, other = wanted.task, model.task
        differ = {
            "the task": (wanted.recipe.task.id, model.recipe.task.id),
            "the label": (task.label, other.label),
            "the classes": (task.class_labels, other.class_labels),
            "the outputs": (task.output_dim, other.output_dim),
        }
        own, its = (heads[one].config.model_dump(exclude={"shares"}) for one in (first, name))
        differ |= {f"fusion.{key}": (own[key], its[key]) for key in own}
        if task.class_labels is None:
            differ["what was learned of the labels"] = (_flat(task), _flat(other))
        wrong = [key for key, (left, right) in differ.items() if left != right]
        if wrong:
            left, right = differ[wrong[0]]
            raise ConfigError(
                f"{wrong[0]} of {first} and {name} differ: {left} and {right}",
                plugin="lego",
                value=right,
                remedy="fit both on the same rows and label, with the same fusion settings",
            )


def _flat(task: Task) -> tuple[Any, ...]:
    state = task.state()
    return state.values, {name: np.asarray(one).tolist() for name, one in state.arrays.items()}


def _joined(models: Mapping[str, Model], of: Any, what: str) -> dict[str, Any]:
    """By name, of all models.

    Raises:
        ConfigError: two models have one of a name.
    """
    found: dict[str, Any] = {}
    owner: dict[str, str] = {}
    for name, model in models.items():
        for key, value in of(model).items():
            if key in found:
                raise ConfigError(
                    f"{owner[key]} and {name} both have the {what} {key!r}",
                    plugin="lego",
                    value=key,
                    remedy="merge models of different inputs; leave the others out of a fit with "
                    "--column-type COLUMN=ignore",
                )
            found[key], owner[key] = value, name
    return found


def _fresh(models: Mapping[str, Model]) -> Task:
    """The task as it is after :meth:`Task.learn`: the calibration of one model is none of all."""
    task = next(iter(models.values())).task
    if task.class_labels is None or len(task.label) != 1:
        return task
    fresh = type(task)(task.config, task.label)
    fresh.learn(pd.DataFrame({task.label[0]: task.class_labels}))
    return fresh if fresh.class_labels == task.class_labels else task


def _take_over(head: Any, heads: Mapping[str, LegoMerge]) -> None:
    """Blocks and answers with the weights that they have."""
    blocks = {name: one for own in heads.values() for name, one in own.blocks.items()}
    answers = {name: one for own in heads.values() for name, one in own.answers.items()}
    for name, block in head.blocks.items():
        block.load_state_dict(blocks[name].state_dict())
    if isinstance(head, LegoMerge):
        for name, answer in head.answers.items():
            answer.load_state_dict(answers[name].state_dict())
        return
    assert isinstance(head, LegoFuse)
    layers = [cast("nn.Linear", one) for one in answers.values()]
    equal = torch.full((1, len(layers)), 1 / len(layers))
    with torch.no_grad():
        flat = torch.stack([layer.weight.flatten() for layer in layers])
        head.answer.weight.copy_(spherical_mean(equal, flat).reshape(head.answer.weight.shape))
        head.answer.bias.copy_(torch.stack([layer.bias for layer in layers]).mean(dim=0))


def _recipe(models: Mapping[str, Model], fusion: str, config: Any) -> Any:
    """The first one's, with the inputs, backbones and columns of all."""
    recipes = [model.recipe for model in models.values()]
    first = recipes[0]
    plans: dict[str, Any] = {}
    for recipe in recipes:
        for plan in recipe.columns.columns:
            if plan.name not in plans or plans[plan.name].modality is None:
                plans[plan.name] = plan
    origins: dict[str, str] = {}
    for recipe in reversed(recipes):
        origins |= recipe.origins
    return first.model_copy(
        update={
            "schema_": type(first.columns)(columns=tuple(plans.values())),
            "inputs": {key: part for one in recipes for key, part in one.inputs.items()},
            "backbones": {key: part for one in recipes for key, part in one.backbones.items()},
            "fusion": type(first.task)(id=fusion, **config.model_dump(mode="json")),
            "origins": {key: why for key, why in origins.items() if not key.startswith("fusion.")}
            | {"fusion.id": "mm merge"},
        }
    )
