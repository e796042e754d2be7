"""Config: the one constructor argument a user can set."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from mm_core.api.errors import ConfigError
from mm_core.api.slots import slot_fields


class Config(BaseModel):
    """Base of every component's configuration.

    Frozen, JSON-able, and closed: an unknown key is an error with a suggestion, and so is a number
    that is not finite, which JSON has no word for, or True where a number is wanted. Every field
    has a description. A field may hold components: :class:`mm_core.api.Slot`.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        slot_fields(cls)  # told where it is written, not where it is used

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and info.field_name is not None:
            kinds = set(_leaves(cls.model_fields[info.field_name].annotation))
            if kinds & {int, float} and not kinds & {bool, Any}:
                raise ValueError("a number is wanted")
        return value

    @classmethod
    def read(cls, values: Mapping[str, Any], *, where: str) -> Self:
        """Validate ``values``; ``where`` is the dotted recipe key they stand under, for the error.

        Raises:
            ConfigError: unknown key (with the nearest known one) or a value of the wrong type.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise _as_config_error(error, cls, where) from None


def suggest(name: str, known: list[str]) -> str | None:
    """The known name nearest to ``name``, or None when nothing is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return near[0] if near else None


def _leaves(annotation: Any) -> Iterator[Any]:
    """The types that a union, or a container, is made of."""
    parts = get_args(annotation)
    if not parts:
        yield annotation
    for part in parts:
        yield from _leaves(part)


def _as_config_error(error: ValidationError, cls: type[BaseModel], where: str) -> ConfigError:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    dotted = ".".join(filter(None, [where, *path]))
    owner = _model_at(cls, path[:-1])
    if first["type"] == "extra_forbidden":
        known = sorted(owner.model_fields)
        return ConfigError(
            f"unknown key {dotted!r}",
            value=path[-1],
            remedy=_known_instead(dotted, path[-1], known),
        )
    path = _up_to_union(cls, path)
    dotted = ".".join(filter(None, [where, *path]))
    owner = _model_at(cls, path[:-1])
    # Of a union there is an error for each of its types.
    said = [one["msg"] for one in error.errors() if list(map(str, one["loc"]))[: len(path)] == path]
    name = next((one for one in reversed(path) if one in owner.model_fields), None)  # no list index
    described = owner.model_fields[name].description if name is not None else None
    return ConfigError(
        f"{dotted} = {first['input']!r}: {'; or: '.join(dict.fromkeys(said))}",
        value=first["input"],
        remedy=(name or (path[-1] if path else where)) + (f": {described}" if described else ""),
    )


def _known_instead(dotted: str, key: str, known: list[str]) -> str:
    place = dotted.removesuffix(key)
    if (near := suggest(key, known)) is not None:
        return f"did you mean {place}{near}?"
    if not known:
        return f"leave it out, or choose another {place.rstrip('.')}: this one has no settings"
    return f"known keys: {', '.join(known)}"


def _up_to_union(cls: type[BaseModel], path: list[str]) -> list[str]:
    """The place of an error without pydantic's names of the types of a union, and what is below."""
    for end in range(1, len(path)):
        field = _model_at(cls, path[: end - 1]).model_fields.get(path[end - 1])
        if field is not None and get_origin(field.annotation) in (Union, UnionType):
            owner = _model_at(cls, path[:end])
            if path[end] not in owner.model_fields:
                return path[:end]
    return path


def _model_at(cls: type[BaseModel], path: list[str]) -> type[BaseModel]:
    """The model that a place in nested values is read by, as far as models go."""
    for name in path:
        field = cls.model_fields.get(name)
        inner = getattr(field, "annotation", None)
        candidates = [inner, *getattr(inner, "__args__", ())]
        models = [one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)]
        cls = models[0] if models else cls
    return cls
