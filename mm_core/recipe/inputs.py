"""Which columns form which input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mm_core.api.config import suggest
from mm_core.api.errors import ConfigError, RecipeError
from mm_core.api.specs import ModalitySpec
from mm_core.plugins.registry import Component, Registry
from mm_core.recipe.overrides import InputOverride, PartOverride
from mm_core.schema.schema import Schema


@dataclass(frozen=True)
class PlannedInput:
    """Columns of one modality that go through one processor together.

    Attributes:
        modality: of all of them.
        columns: their names.
        kinds: the form of the cells of each.
        origin: who put them together.
        role: part of the task that they are; None: it has no roles.
        processor: what the user sets of it.
    """

    modality: Component[ModalitySpec]
    columns: tuple[str, ...]
    kinds: tuple[str | None, ...]
    origin: str
    role: str | None = None
    processor: PartOverride = field(default_factory=PartOverride)

    @property
    def names(self) -> tuple[str, str]:
        """Id and short name of the modality."""
        return self.modality.id, self.modality.spec.name


def plan_inputs(
    schema: Schema,
    user: Mapping[str, InputOverride],
    registry: Registry,
    roles: Mapping[str, str],
) -> dict[str, PlannedInput]:
    """One input per modality, named after it, plus what the user lays out differently.

    With roles, one per role and modality, ``<role>_<modality>``. A column named in
    ``inputs.<name>.columns`` leaves its default input.

    Args:
        schema: columns and their modalities.
        user: what the user lays out.
        registry: installed components.
        roles: column -> role, in the order in which columns are read; empty: the task has none.

    Raises:
        ConfigError: an unknown input.
        RecipeError: columns of different modalities or roles in one input.
    """
    laid_out = {name: given.columns for name, given in user.items() if given.columns}
    placed = {column for columns in laid_out.values() for column in columns}
    planned: dict[str, PlannedInput] = {}
    for role in dict.fromkeys(roles.values()) or (None,):
        for modality_id, plans in schema.by_modality().items():
            modality = registry.get(ModalitySpec, modality_id)
            rest = [one.name for one in plans if one.name not in placed]
            if role is not None:
                rest = [name for name in roles if name in rest and roles[name] == role]
            if rest:
                short = modality.spec.name
                name = free_name(short if role is None else f"{role}_{short}", planned)
                origin = f"modality {modality_id}" if role is None else f"role {role}"
                planned[name] = _planned(modality, rest, schema, origin, role)
    for name, columns in laid_out.items():
        modality = _common_modality(name, columns, schema, registry)
        role = _common_role(name, columns, roles)
        planned[name] = _planned(modality, columns, schema, "user", role)
    for name, given in user.items():
        if name not in planned:
            raise ConfigError(
                f"inputs.{name}: there is no such input",
                value=name,
                remedy=meant_input(name, "inputs", planned, schema, registry),
            )
        planned[name] = replace(planned[name], processor=given.processor)
    return planned


def meant_input(
    name: str,
    section: str,
    planned: Mapping[str, PlannedInput],
    schema: Schema | None = None,
    registry: Registry | None = None,
) -> str:
    """What to type instead of the name of an input that is not there.

    Args:
        name: as the user wrote it.
        section: ``inputs`` or ``backbones``.
        planned: what is there.
        schema: to say which column might be read as that modality; None: it is not said.
        registry: likewise.
    """
    by_role = [n for n, one in planned.items() if one.role and one.modality.spec.name == name]
    if by_role:
        keys = ", ".join(f"{section}.{one}" for one in by_role)
        return f"inputs of {name} go by their roles here: {keys}"
    modalities = () if registry is None else registry.all(ModalitySpec)
    if schema is not None and name in {one.spec.name for one in modalities}:
        read = ", ".join(f"{n!r} as {kind}" for n, kind in schema.types.items() if kind)
        return (
            f"no column is read as {name} ({read}); where one is {name}: "
            f"--column-type COLUMN={name}, column_types={{'COLUMN': {name!r}}}"
        )
    near = suggest(name, list(planned))
    return f"did you mean {near!r}?" if near else f"inputs: {', '.join(planned)}"


def _planned(
    modality: Component[ModalitySpec],
    columns: Sequence[str],
    schema: Schema,
    origin: str,
    role: str | None,
) -> PlannedInput:
    kinds = {plan.name: plan.kind for plan in schema.columns}
    return PlannedInput(
        modality, tuple(columns), tuple(kinds[name] for name in columns), origin, role
    )


def _common_role(name: str, columns: Sequence[str], roles: Mapping[str, str]) -> str | None:
    found = {roles.get(column): column for column in columns}
    if len(found) > 1:
        said = ", ".join(f"{column!r} is {role}" for role, column in found.items())
        raise RecipeError(f"inputs.{name} mixes roles: {said}", remedy="give each its own input")
    return next(iter(found))


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
                remedy="say what it holds with column_types={...} (--column-type "
                f"{column}=TYPE), or leave it out",
            )
        found[plan.modality] = column
    if len(found) != 1:
        said = ", ".join(f"{column!r} is {modality}" for modality, column in found.items())
        raise RecipeError(
            f"inputs.{name} mixes modalities: {said}", remedy="give each modality its own input"
        )
    return registry.get(ModalitySpec, next(iter(found)))


def free_name(name: str, planned: Mapping[str, Any]) -> str:
    """The name, or with a number behind it where it is taken."""
    number = 1
    free = name
    while free in planned:
        number += 1
        free = f"{name}_{number}"
    return free


def columns_set(inputs: Mapping[str, InputOverride]) -> set[str]:
    """Columns that the user sets something of, in settings that are dicts by column."""
    values = (value for given in inputs.values() for value in given.processor.own.values())
    return {str(column) for value in values if isinstance(value, Mapping) for column in value}


def by_column(found: Mapping[str, Mapping[str, Any]], own: Mapping[str, Any]) -> dict[str, Any]:
    """The user's settings; in those that are dicts by column, with what was found of the others."""
    return {
        key: {**found[key], **value} if key in found and isinstance(value, Mapping) else value
        for key, value in own.items()
    }
