"""A word on plans whose backbones stay as they are: they need not run in each epoch. Light."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mm_core.api import AdapterSpec, FusionHeadSpec, Note, Planned, TaskSpec

_LATE_FUSION = TaskSpec.model_fields["topology"].default
_FINETUNE = "core:finetune"
_POOLED = {"pooled"}


def of_frozen_backbones(planned: Planned) -> list[Note]:
    """One note where every pretrained backbone is frozen, and ``fusion:cached`` gives the same
    network: what it encodes once is what each epoch would encode again.
    """
    recipe, training = planned.recipe, planned.recipe.training
    task = planned.registry.get(TaskSpec, recipe.task.id).spec
    mixed = training.mixup or training.cutmix  # which cached latents refuse
    again = training.epochs > 1 and training.max_steps is None
    ordinary = recipe.fit.id == _FINETUNE and task.topology == _LATE_FUSION
    pretrained = [name for name in recipe.backbones if planned.pretrained(name)]
    adapted = [name for name, part in recipe.backbones.items() if part.adapter is not None]
    frozen = all(_is_frozen(planned, name) for name in adapted)
    if not (ordinary and again and pretrained and frozen and adapted == pretrained) or mixed:
        return []
    several = len(pretrained) > 1
    one, runs = ("them", "are frozen and run") if several else ("it", "is frozen and runs")
    text = (
        f"{', '.join(f'backbones.{name}' for name in pretrained)} {runs} on every row in each of "
        f"up to {training.epochs} epochs; fusion:cached runs {one} once a row"
        f"{', without augmentation' if _augmented(recipe) else ''}."
    )
    settings: dict[str, Any] = {"fit": "fusion:cached"}
    settings |= {f"backbones.{name}.adapter": None for name in adapted}
    needs = set(_needs(planned, recipe.fusion)) or set(task.needs)
    if needs != _POOLED:
        settings["fit.keep"] = sorted(needs)
    return [Note(text=text, settings=settings)]


def _is_frozen(planned: Planned, name: str) -> bool:
    adapter = planned.recipe.backbones[name].adapter
    return bool(planned.registry.get(AdapterSpec, adapter.id).spec.frozen)


def _augmented(recipe: Any) -> bool:
    """Whether a processor would move or colour what it reads in training."""
    said = [part.processor.config.get("augment", "none") for part in recipe.inputs.values()]
    return recipe.training.augment and any(one != "none" for one in said)


def _needs(planned: Planned, head: Any) -> Iterator[str]:
    """What a fusion head, and the heads inside it, read of backbones; of none, nothing."""
    if head is None:
        return
    yield from planned.registry.get(FusionHeadSpec, head.id).spec.needs
    inner = head.config.get("head")
    while inner is not None:
        yield from planned.registry.get(FusionHeadSpec, inner["id"]).spec.needs
        inner = inner.get("head")
