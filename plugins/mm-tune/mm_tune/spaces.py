"""What a setting may be, as text, and what is usually searched of a plan."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mm_core.api import BackboneSpec, ConfigError, MMWarning, Search
from mm_core.api.commands import value_of

if TYPE_CHECKING:
    from mm_core.api.tools import Component, Recipe, Registry

FORMS = "log(1e-5, 1e-3), uniform(0, 0.5), int(2, 8), logint(8, 256), choice(32, 64)"

TRAINING = "training."
RATE = f"{TRAINING}learning_rate"
"""Of pretrained backbones; what is trained from nothing has another."""


def read_search(text: str, where: str) -> Search:
    """Of text like ``log(1e-5, 1e-3)``.

    Raises:
        ConfigError: it is none.
    """
    match = re.fullmatch(r"\s*(log|uniform|int|logint|choice)\s*\((.*)\)\s*", text)
    if match is None:
        raise ConfigError(
            f"{where}={text!r} is no range to search", value=text, remedy=f"one of: {FORMS}"
        )
    form, inside = match.groups()
    values = _listed(inside)
    try:
        return _search(form, values)
    except ConfigError as error:
        raise ConfigError(
            f"{where}={text!r}: {error.message}", value=text, remedy=f"one of: {FORMS}"
        ) from error


def _search(form: str, values: Sequence[Any]) -> Search:
    if form == "choice":
        return Search(choices=tuple(values))
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)
    if len(values) != 2 or not numbers:
        raise ConfigError(f"{form} needs two numbers, with a comma between them")
    return Search(*values, log=form.startswith("log"), whole=form.endswith("int"))


def _listed(text: str) -> list[Any]:
    """Of JSON, where a word may hold a comma; or of words as they are typed."""
    try:
        found: list[Any] = json.loads(f"[{text}]")
    except ValueError:
        return [value_of(part.strip()) for part in text.split(",")]
    return found


def ranges(space: Any, among: Mapping[str, Search]) -> dict[str, Search]:
    """Setting -> what it may be.

    Args:
        space: setting -> a search, or the text of one; None: there is none.
        among: those that stand among the hyperparameters.

    Raises:
        ConfigError: one is no range, or stands in both.
    """
    if not isinstance(space, Mapping | None):
        raise ConfigError(
            f"space={space!r}", value=space, remedy='as in space={"fit.depth": Search(4, 9)}'
        )
    found = {key: _as_search(key, value) for key, value in (space or {}).items()}
    for key, search in among.items():
        if found.setdefault(key, search) != search:
            raise ConfigError(
                f"{key} is to be searched in two ranges: {found[key]} of the space, {search} among "
                "the hyperparameters",
                value=[str(found[key]), str(search)],
                remedy="leave one of them out",
            )
    return found


def _as_search(key: str, value: Any) -> Search:
    if isinstance(value, Search):
        return value
    if isinstance(value, str):
        return read_search(value, key)
    listed = list(value) if isinstance(value, list | tuple | set) else [16, 32]
    remedy = f"Search(choices={listed!r}) for one of several"
    if len(listed) == 2:
        whole = ", whole=True" if all(type(one) is int for one in listed) else ""
        remedy = f"Search({listed[0]!r}, {listed[1]!r}{whole}) for all between, {remedy}"
    raise ConfigError(f"{key}={value!r} is no range to search", value=value, remedy=remedy)


def taken_apart(settings: Mapping[str, Any], before: str = "") -> tuple[dict[str, Any], Any]:
    """(settings that are given, those that are to be searched), both with dotted keys."""
    fixed: dict[str, Any] = {}
    searched: dict[str, Search] = {}
    for key, value in settings.items():
        if isinstance(value, Search):
            searched[before + key] = value
        elif isinstance(value, Mapping) and value:
            inner, more = taken_apart(value, f"{before}{key}.")
            fixed |= inner
            searched |= more
        else:
            fixed[before + key] = value
    return fixed, searched


def usual(recipe: Recipe, registry: Registry) -> tuple[dict[str, Search], dict[str, Any]]:
    """The usual ranges of the components of a plan; of what the user set, none.

    Args:
        recipe: the plan.
        registry: installed components.

    Returns:
        The ranges; and what is left as it is, for the plan has it outside of its range: that range
        was not made for such data.

    Raises:
        ConfigError: none of the components has any.
    """
    from mm_core.api.tools import components

    known = recipe.flat()
    there = list(components(recipe, registry))
    said = _ranges(there)
    _warn_of_unknown([key for key in said if key not in known], there)
    ranges = {
        key: search for key, search in said.items() if key in known and recipe.origin(key) != "user"
    }
    found = {k: one for k, one in ranges.items() if known[k] is None or known[k] in one}
    if not found:
        ids = ", ".join(dict.fromkeys(component.id for _, component in there))
        raise ConfigError(
            f"nothing is usually searched of {ids}",
            value=ids,
            remedy=f"say what is to be searched, of what mm plan shows: --space '{_one_of(known)}'",
        )
    return found, {key: known[key] for key in ranges if key not in found}


def _one_of(known: Mapping[str, Any]) -> str:
    """Something to type that can be searched: fitters refuse settings that they do not read."""
    for key, value in known.items():
        if key.startswith("fit.") and type(value) is int and value > 1:
            return f"{key}=int({value // 2}, {value})"
    return "training.learning_rate=log(1e-5, 1e-3)"


def _warn_of_unknown(keys: Sequence[str], components: Sequence[tuple[str, Component[Any]]]) -> None:
    """Of what is no setting, but inside a list, where none can be set."""
    for key in keys:
        owners = [(place, one) for place, one in components if key.startswith(f"{place}.")]
        if not owners or any(part.isdecimal() for part in key.split(".")):
            continue
        place, owner = max(owners, key=lambda one: len(one[0]))
        warnings.warn(
            f"{owner.id} names {key.removeprefix(f'{place}.')!r} among what is usually searched, "
            f"and has no such setting: it is not searched; mm plugins check {owner.plugin.name}",
            MMWarning,
            stacklevel=4,
        )


def _ranges(components: Sequence[tuple[str, Component[Any]]]) -> dict[str, Search]:
    """Dotted key -> range. What is trained is the fitter's to say, or that of backbones which have
    a pace of their own, where all have one: what they agree on.
    """
    own: dict[str, Search] = {}
    fitter: dict[str, Search] = {}
    backbones = [one.spec for _, one in components if isinstance(one.spec, BackboneSpec)]
    for place, component in components:
        for key, search in component.spec.search_space.items():
            if not key.startswith(TRAINING):
                own[f"{place}.{key}"] = search
            elif place == "fit":
                fitter[key] = search
    if not any(one.formats for one in backbones):
        fitter.pop(RATE, None)
    alone = [_training(one) for one in backbones] if all(one.alone for one in backbones) else []
    agreed = {
        key: search
        for key, search in (alone[0] if alone else {}).items()
        if all(other.get(key) == search for other in alone) and key in fitter
    }
    return {**fitter, **agreed, **own}


def _training(spec: BackboneSpec) -> dict[str, Search]:
    return {key: one for key, one in spec.search_space.items() if key.startswith(TRAINING)}
