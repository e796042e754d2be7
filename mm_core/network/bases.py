"""Models saved without the weights that their checkpoints give again (``standalone=False``)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from mm_core.api.engine import EngineContext
from mm_core.api.errors import ArtifactError, CheckpointError
from mm_core.api.nn import Backbone, Topology
from mm_core.checkpoints.finder import RANDOM, CheckpointFinder
from mm_core.network.build import backbones_of, build_backbone
from mm_core.recipe.recipe import Recipe


class BaseRecord(BaseModel):
    """Pretrained weights that a model was saved without."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checkpoint: str = Field(description="where the backbone finds them again")
    sha256: str = Field(description="of what the model takes from there")


_SHOWN = 12
"""Characters of a hash in messages."""


def without_bases(
    topology: Topology, context: EngineContext
) -> tuple[dict[str, Tensor], dict[str, BaseRecord]]:
    """The weights that no checkpoint gives, and which base the others come from.

    Each pretrained backbone is built from its checkpoint once more and compared, so that whatever
    training changed is kept: parameters, running statistics, and all of an adapter.

    Returns:
        Name -> tensor of its own memory; backbone name -> base, for backbones that share anything
        with theirs.

    Raises:
        CheckpointError: a checkpoint can no longer be had.
    """
    again = tuple(f"backbones.{name}." for name in topology.shared)
    state = {
        name: value.cpu()
        for name, value in topology.state_dict().items()
        if not name.startswith(again)
    }
    finder = CheckpointFinder(context.registry)
    records = {}
    for name, part in context.recipe.backbones.items():
        checkpoint = part.config.get("checkpoint", RANDOM)
        if checkpoint == RANDOM or name in topology.shared:
            continue
        saved = backbones_of(topology)[name].architecture
        same = _unchanged(name, context, finder, state, saved)
        if same:
            records[name] = BaseRecord(checkpoint=checkpoint, sha256=_sha256(same))
            for key in same:
                del state[f"backbones.{name}.{key}"]
    return {
        key: value.clone(memory_format=torch.contiguous_format) for key, value in state.items()
    }, records


def check_bases_found(
    bases: Mapping[str, BaseRecord], recipe: Recipe, finder: CheckpointFinder
) -> None:
    """Refuse a model whose backbones' checkpoints cannot be had.

    Raises:
        ArtifactError: names all of them, with what to install or type.
    """
    missing = []
    for name, base in bases.items():
        try:
            finder.find(recipe.backbones[name].id, [base.checkpoint])
        except CheckpointError as error:
            missing.append((name, base, error))
    if missing:
        raise ArtifactError(
            "the model was saved without pretrained weights (standalone=False), and these cannot "
            "be had:\n    "
            + "\n    ".join(
                f"{base.checkpoint!r} of backbones.{name}: {error.message}"
                for name, base, error in missing
            ),
            value=[base.checkpoint for _, base, _ in missing],
            remedy="; or ".join(
                [*dict.fromkeys(e.remedy for _, _, e in missing if e.remedy), _SAVE_WHOLE]
            ),
        )


def check_bases(
    bases: Mapping[str, BaseRecord], topology: Topology, from_base: Collection[str]
) -> None:
    """Refuse a network whose pretrained weights are not those that the model was trained on.

    Args:
        bases: which they are.
        topology: built from the checkpoints.
        from_base: names in its state dict of what the model was saved without.

    Raises:
        ArtifactError: names every backbone whose weights differ.
    """
    state = topology.state_dict()
    wrong = []
    for name, base in bases.items():
        prefix = f"backbones.{name}."
        used = {key.removeprefix(prefix): state[key] for key in from_base if key.startswith(prefix)}
        found = _sha256(used)
        if found != base.sha256:
            wrong.append(
                f"{base.checkpoint!r} of backbones.{name} has the sha256 {found[:_SHOWN]}..., "
                f"not {base.sha256[:_SHOWN]}..."
            )
    if wrong:
        raise ArtifactError(
            "the model was trained on other pretrained weights than are here:\n    "
            + "\n    ".join(wrong),
            value=[base.checkpoint for base in bases.values()],
            remedy=f"bring the weights it was trained on, under the same name; or {_SAVE_WHOLE}",
        )


_SAVE_WHOLE = "where it was trained, save it whole: predictor.save(path)"


def _unchanged(
    name: str,
    context: EngineContext,
    finder: CheckpointFinder,
    state: Mapping[str, Tensor],
    saved: Mapping[str, Any],
) -> dict[str, Tensor]:
    """What the backbone has in common with one fresh from its checkpoint, by name inside it."""
    with torch.random.fork_rng(devices=[]):
        fresh: Backbone = build_backbone(
            name,
            context.recipe,
            context.processors,
            context.task,
            context.registry,
            finder,
            None,
            saved,
        )
    own = frozenset() if fresh.adapter is None else fresh.adapter.own_weights(fresh)
    return {
        key: value
        for key, value in fresh.state_dict().items()
        if key not in own and torch.equal(value, state[f"backbones.{name}.{key}"])
    }


def _sha256(tensors: Mapping[str, Tensor]) -> str:
    """Hex digest of names, types, shapes and values, in the order of the names."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
