"""Which columns are which part of what a task reads."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence

from mm_core.api.config import suggest
from mm_core.api.errors import ColumnError, ConfigError, MMWarning
from mm_core.api.specs import RoleSpec, TaskSpec
from mm_core.plugins.registry import Component
from mm_core.schema.schema import ColumnPlan, Schema

Roles = Mapping[str, tuple[str, ...]]
"""Role -> its columns, in the order in which they are read."""


def assign_roles(task: Component[TaskSpec], given: Roles, schema: Schema) -> dict[str, str]:
    """Column -> role; empty for a task without roles.

    Roles that the user names columns for come first; the others take the columns of their
    modalities that are left, in the order of the spec.

    Raises:
        ConfigError: a role that the task does not have, or columns that it does not take.
        ColumnError: a column that cannot be used, a required role without one, or one of several
            that could be meant.
    """
    roles = {role.name: role for role in task.spec.roles}
    assigned: dict[str, str] = {}
    for name, columns in given.items():
        role = _role(name, task, roles)
        for column in _checked(role, columns, task, schema):
            if column in assigned:
                raise ConfigError(
                    f"column {column!r} is to be both {assigned[column]} and {name}",
                    column=column,
                    value=column,
                    remedy="name it once, or copy the column",
                )
            assigned[column] = name
    for role in roles.values():
        if role.name not in given:
            assigned |= dict.fromkeys(_detected(role, task, schema, assigned), role.name)
    return assigned


def without_others(schema: Schema, assigned: Mapping[str, str], task: str) -> Schema:
    """The schema in which columns of no role are not used, which is said."""
    idle = [plan.name for plan in schema.columns if plan.name not in assigned]
    return without(schema, idle, f"task {task}", f"no role of {task} reads it")


def without(schema: Schema, idle: Collection[str], origin: str, reason: str) -> Schema:
    """The schema in which some columns are not used, with one warning of those that were."""
    told = [plan.name for plan in schema.columns if plan.modality and plan.name in idle]
    if not told:
        return schema
    warnings.warn(
        f"columns not used: {', '.join(map(repr, told))} ({reason})", MMWarning, stacklevel=2
    )
    unused = {"modality": None, "kind": None, "score": 0.0, "origin": origin, "reason": reason}
    return Schema(
        columns=tuple(
            plan.model_copy(update=unused) if plan.name in told else plan for plan in schema.columns
        )
    )


def _role(name: str, task: Component[TaskSpec], roles: Mapping[str, RoleSpec]) -> RoleSpec:
    if name in roles:
        return roles[name]
    near = suggest(name, list(roles))
    known = f"roles: {', '.join(roles)}" if roles else "leave roles out: it reads all columns"
    raise ConfigError(
        f"{task.id} has no role {name!r}",
        plugin=task.id,
        value=name,
        remedy=f"did you mean {near!r}?" if near else known,
    )


def _checked(
    role: RoleSpec, columns: Sequence[str], task: Component[TaskSpec], schema: Schema
) -> Sequence[str]:
    if len(columns) > 1 and not role.several:
        raise ConfigError(
            f"{task.id} takes one column as {role.name}, not {len(columns)}",
            plugin=task.id,
            value=list(columns),
            remedy="name one of them",
        )
    for column in columns:
        plan = _known(column, role, schema)
        if plan.modality is None:
            raise ColumnError(
                f"column {column!r}, named as {role.name}, cannot be used: {plan.reason}",
                column=column,
                remedy=f"say what it holds: column_types={{{column!r}: ...}} (--column-type "
                f"{column}=TYPE), or name another",
            )
        if not _fits(plan, role):
            raise ColumnError(
                f"column {column!r} holds {_short(plan.modality)}, and {role.name} of {task.id} is "
                f"{' or '.join(role.modalities)}",
                column=column,
                value=plan.modality,
                remedy=f"name another, or say what it holds: column_types={{{column!r}: ...}} "
                f"(--column-type {column}=TYPE)",
            )
    return columns


def _known(column: str, role: RoleSpec, schema: Schema) -> ColumnPlan:
    plan = schema.plan(column)
    if plan is not None:
        return plan
    names = [one.name for one in schema.columns]
    near = suggest(column, names)
    raise ColumnError(
        f"column {column!r}, named as {role.name}, is not among the inputs",
        column=column,
        remedy=f"did you mean {near!r}?" if near else f"columns: {', '.join(names[:20])}",
    )


def _detected(
    role: RoleSpec, task: Component[TaskSpec], schema: Schema, assigned: Iterable[str]
) -> list[str]:
    """Columns that only this role can be meant to have."""
    taken = set(assigned)
    found = [
        plan.name
        for plan in schema.columns
        if role.modalities and plan.name not in taken and _fits(plan, role)
    ]
    if len(found) > 1 and not role.several:
        raise ColumnError(
            f"{', '.join(map(repr, found))} could each be the {role.name} of {task.id}",
            column=found[0],
            value=found,
            remedy=_how(role, found[0]),
        )
    if not found and role.required:
        holds = f", and no column left holds {' or '.join(role.modalities)}"
        raise ColumnError(
            f"{task.id} needs {role.name} ({role.summary}){holds if role.modalities else ''}",
            value=role.name,
            remedy=_how(role, "name of the column"),
        )
    return found


def _how(role: RoleSpec, column: str) -> str:
    return f"name it: roles={{{role.name!r}: {column!r}}}, or --role {role.name}=COLUMN"


def _fits(plan: ColumnPlan, role: RoleSpec) -> bool:
    if plan.modality is None:
        return False
    return not role.modalities or bool(
        {plan.modality, _short(plan.modality)} & set(role.modalities)
    )


def _short(modality: str) -> str:
    return modality.partition(":")[2]
