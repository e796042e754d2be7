"""Which backbones read which inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mm_core.api.config import suggest
from mm_core.api.errors import ConfigError, RecipeError
from mm_core.api.specs import BackboneSpec, FusionHeadSpec, RoleSpec, TaskSpec
from mm_core.plugins.registry import Component, Registry
from mm_core.recipe.choices import Choices
from mm_core.recipe.inputs import PlannedInput, free_name, meant_input
from mm_core.recipe.overrides import BackboneOverride, InputOverride
from mm_core.schema.schema import Schema

Planned = Mapping[str, PlannedInput]


@dataclass(frozen=True)
class Chosen:
    """A backbone of the recipe.

    Attributes:
        component: what it is.
        inputs: names of those that it reads.
        user: what the user set on it.
        origin: who chose the component.
        share_with: name of the backbone whose module it is; its settings are that one's.
    """

    component: Component[BackboneSpec]
    inputs: tuple[str, ...]
    user: BackboneOverride
    origin: str
    share_with: str | None = None


def choose_backbones(
    planned: Planned,
    user: Mapping[str, BackboneOverride],
    choices: Choices,
    schema: Schema,
    registry: Registry,
) -> dict[str, Chosen]:
    """One backbone per input, named after it, unless the user's backbones read it.

    Inputs of several modalities whose default is one backbone that has a processor for each are
    read by it together; it is named after the component.

    Raises:
        RecipeError: a backbone that reads what is not there, or what it cannot read.
    """
    taken = {name for part in user.values() for name in part.inputs or ()}
    free = [name for name in planned if name not in taken and name not in user]
    groups = _groups(free, planned, choices, registry)
    grouped = {name: group for group, names in groups.items() for name in names}
    names = dict.fromkeys(
        [*(grouped.get(n, n) for n in planned if n in user or n not in taken), *user]
    )
    found = {}
    for name in names:
        part = user.get(name, BackboneOverride())
        inputs = part.inputs or groups.get(name, (name,))
        _check_there(name, inputs, planned, schema, registry)
        wanted, origin = choices.backbone(planned[inputs[0]])
        component = registry.get(BackboneSpec, part.id or wanted)
        _check_reads(name, component, inputs, planned)
        found[name] = Chosen(component, inputs, part, origin)
    return found


def _groups(
    names: Sequence[str], planned: Planned, choices: Choices, registry: Registry
) -> dict[str, tuple[str, ...]]:
    """Name of a backbone -> inputs that it reads together."""
    by_component: dict[str, list[str]] = {}
    for name in names:
        component = registry.get(BackboneSpec, choices.backbone(planned[name])[0])
        if isinstance(component.spec.processor, dict):
            by_component.setdefault(component.id, []).append(name)
    groups: dict[str, tuple[str, ...]] = {}
    for wanted, inputs in by_component.items():
        sides = [inputs]
        if not _of_different_modalities(inputs, planned):  # of each side of a match, one
            roles = dict.fromkeys(planned[one].role for one in inputs)
            sides = [[one for one in inputs if planned[one].role == role] for role in roles]
        for side in sides:
            if len(side) > 1 and _of_different_modalities(side, planned):
                role = planned[side[0]].role if len(sides) > 1 else None
                short = re.sub(r"\W", "_", wanted.partition(":")[2])
                name = free_name(
                    short if role is None else f"{role}_{short}", {**planned, **groups}
                )
                groups[name] = tuple(side)
    return groups


def _of_different_modalities(names: Sequence[str], planned: Planned) -> bool:
    return len({planned[name].modality.id for name in names}) == len(names)


def _check_there(
    name: str, inputs: Sequence[str], planned: Planned, schema: Schema, registry: Registry
) -> None:
    for wanted in inputs:
        if wanted not in planned:
            raise RecipeError(
                f"backbones.{name} reads input {wanted!r}, which does not exist",
                value=wanted,
                remedy=meant_input(wanted, "backbones", planned, schema, registry),
            )


def _check_reads(
    name: str, component: Component[BackboneSpec], inputs: Sequence[str], planned: Planned
) -> None:
    reads = component.spec.modalities
    for given in inputs:
        if not set(planned[given].names) & set(reads):
            raise RecipeError(
                f"backbones.{name} = {component.id} reads {', '.join(reads)}, "
                f"not {planned[given].modality.spec.name} (input {given!r})",
                plugin=component.id,
                remedy="choose another backbone (mm plugins list)",
            )


# ---- shared backbones ------------------------------------------------------------------------


def shared(
    chosen: Mapping[str, Chosen],
    planned: Planned,
    roles: Sequence[RoleSpec],
    inputs: Mapping[str, InputOverride],
) -> dict[str, Chosen]:
    """With ``share_with`` where the user says so, or where roles are like each other.

    Args:
        chosen: the backbones.
        planned: their inputs.
        roles: of the task.
        inputs: the user's settings of inputs; one that has some of its own is not shared unasked.

    Raises:
        RecipeError: what is to be shared is not alike.
    """
    like = {role.name: role.like for role in roles if role.like is not None}
    found = dict(chosen)
    for name, part in chosen.items():
        if "share_with" in part.user.model_fields_set:
            other = part.user.share_with
            if other is not None:
                _check_alike(name, part, other, chosen, planned)
                found[name] = replace(part, share_with=other)
        elif not part.user.model_fields_set and not any(one in inputs for one in part.inputs):
            role = like.get(planned[part.inputs[0]].role or "")
            twin = role and next(
                (
                    other
                    for other, whole in chosen.items()
                    if planned[whole.inputs[0]].role == role and _alike(part, whole, planned)
                ),
                None,
            )
            found[name] = replace(part, share_with=twin or None)
    return {
        name: replace(part, component=found[part.share_with].component)
        if part.share_with is not None
        else part
        for name, part in found.items()
    }


def _alike(part: Chosen, whole: Chosen, planned: Planned) -> bool:
    """Whether two backbones read columns of the same kinds, each of one role."""
    forms = [
        [(planned[one].modality.id, planned[one].kinds, planned[one].role) for one in each.inputs]
        for each in (part, whole)
    ]
    one_role = all(len({role for *_, role in form}) == 1 for form in forms)
    kinds = [[form[:2] for form in each] for each in forms]
    return one_role and kinds[0] == kinds[1]


def _check_alike(
    name: str, part: Chosen, other: str, chosen: Mapping[str, Chosen], planned: Planned
) -> None:
    whole = chosen.get(other)
    if whole is None or other == name or whole.user.share_with is not None:
        names = [one for one in chosen if one != name]
        near = suggest(other, names)
        raise RecipeError(
            f"backbones.{name}.share_with={other!r}: there is no such backbone of its own",
            value=other,
            remedy=f"did you mean {near!r}?" if near else f"backbones: {', '.join(names)}",
        )
    own = sorted(part.user.model_fields_set - {"share_with", "inputs"})
    own += sorted(part.user.own)
    if own and (own != ["id"] or part.component.id != whole.component.id):
        raise ConfigError(
            f"backbones.{name} is backbones.{other}: {', '.join(own)} of its own would not be used",
            value=own,
            remedy=f"set it on backbones.{other}, or leave share_with out",
        )
    kinds = [
        [(planned[one].modality.id, planned[one].kinds) for one in each.inputs]
        for each in (part, whole)
    ]
    if kinds[0] != kinds[1]:
        said = [
            ", ".join(column for one in each.inputs for column in planned[one].columns)
            for each in (part, whole)
        ]
        raise RecipeError(
            f"backbones.{name} cannot be backbones.{other}: the columns {said[0]} are not of the "
            f"kinds of {said[1]}, one by one",
            value=other,
            remedy="say what they hold with column_types, or leave share_with out",
        )


# ---- features --------------------------------------------------------------------------------


def check_features(
    chosen: Mapping[str, Chosen],
    planned: Planned,
    task: Component[TaskSpec],
    head: Component[FusionHeadSpec] | None,
    registry: Registry,
) -> None:
    """Every backbone gives what the fusion head needs, or where there is none, the task.

    Raises:
        RecipeError: one does not; says which would.
    """
    reader: Component[FusionHeadSpec] | Component[TaskSpec] = task if head is None else head
    needs = set(reader.spec.needs)
    for name, part in chosen.items():
        lacking = needs - set(part.component.spec.provides)
        if not lacking:
            continue
        modalities = [planned[one].names for one in part.inputs]
        able = [
            one.id
            for one in registry.all(BackboneSpec)
            if needs <= set(one.spec.provides)
            and all(set(names) & set(one.spec.modalities) for names in modalities)
        ]
        raise RecipeError(
            f"{reader.id} needs {', '.join(sorted(lacking))} features, which "
            f"backbones.{name} = {part.component.id} does not provide",
            plugin=reader.id,
            value=sorted(lacking),
            remedy=f"backbones.{name}={able[0]}"
            + (f" (or {', '.join(able[1:])})" * (len(able) > 1))
            if able
            else "choose another fusion head or task (mm plugins list)",
        )


def own_components(backbones: Mapping[str, Chosen]) -> dict[str, Component[BackboneSpec]]:
    """Those that are no other one."""
    return {name: part.component for name, part in backbones.items() if part.share_with is None}


_MOST = ("epochs", "patience")
"""Training values of which networks that are trained together take the largest."""


def asked_alone(wishes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What backbones ask for that are among themselves; nothing where one of them asks nothing.

    Several new networks need their many epochs together too: the most epochs and patience of any,
    and of the rest what they agree on.
    """
    if not wishes or not all(wishes):
        return {}
    shared = {
        key: value
        for key, value in wishes[0].items()
        if all(other.get(key) == value for other in wishes)
    }
    most = {
        key: max(wish[key] for wish in wishes if key in wish)
        for key in _MOST
        if any(key in wish for wish in wishes)
    }
    return shared | most
