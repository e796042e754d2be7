"""Which columns form which input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mm_core.api.config import suggest
from mm_core.api.errors import ConfigError, RecipeError
from mm_core.api.specs import ModalitySpec
from mm_core.plugins.registry import Component, Registry
from mm_core.recipe.overrides import InputOverride, PartOverride
from mm_core.schema.schema import Schema


@dataclass(frozen=True)
class PlannedInput:
    """Columns of one modality that go through one processor together."""

    modality: Component[ModalitySpec]
    columns: tuple[str, ...]
    origin: str
    processor: PartOverride = field(default_factory=PartOverride)


def plan_inputs(
    schema: Schema, user: Mapping[str, InputOverride], registry: Registry
) -> dict[str, PlannedInput]:
    """One input per modality, named after it, plus what the user lays out differently.

    A column named in ``inputs.<name>.columns`` leaves its modality's default input.

    Raises:
        ConfigError: an unknown input.
        RecipeError: columns of different modalities in one input.
    """
    laid_out = {name: given.columns for name, given in user.items() if given.columns}
    placed = {column for columns in laid_out.values() for column in columns}
    planned: dict[str, PlannedInput] = {}
    for modality_id, plans in schema.by_modality().items():
        modality = registry.get(ModalitySpec, modality_id)
        rest = tuple(plan.name for plan in plans if plan.name not in placed)
        if rest:
            name = _free_name(modality.spec.name, planned)
            planned[name] = PlannedInput(modality, rest, f"modality {modality_id}")
    for name, columns in laid_out.items():
        modality = _common_modality(name, columns, schema, registry)
        planned[name] = PlannedInput(modality, columns, "user")
    for name, given in user.items():
        if name not in planned:
            near = suggest(name, list(planned))
            raise ConfigError(
                f"inputs.{name}: there is no such input",
                value=name,
                remedy=f"did you mean {near!r}?" if near else f"inputs: {', '.join(planned)}",
            )
        plan = planned[name]
        planned[name] = PlannedInput(plan.modality, plan.columns, plan.origin, given.processor)
    return planned


def _common_modality(
    name: str, columns: Sequence[str], schema: Schema, registry: Registry
) -> Component[ModalitySpec]:
    found = {}
    for column in columns:
        plan = schema.plan(column)
        if plan is None or plan.modality is None:
            raise RecipeError(
                f"inputs.{name}.columns names {column!r}, which is not a usable column",
                column=column,
                remedy="say what it holds with column_types={...}, or leave it out",
            )
        found[plan.modality] = column
    if len(found) != 1:
        said = ", ".join(f"{column!r} is {modality}" for modality, column in found.items())
        raise RecipeError(
            f"inputs.{name} mixes modalities: {said}", remedy="give each modality its own input"
        )
    return registry.get(ModalitySpec, next(iter(found)))


def _free_name(name: str, planned: Mapping[str, Any]) -> str:
    number = 1
    free = name
    while free in planned:
        number += 1
        free = f"{name}_{number}"
    return free
