"""Config: the one constructor argument a user can set."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from mm_core.api.errors import ConfigError


class Config(BaseModel):
    """Base of every component's configuration.

    Frozen, JSON-able, and closed: an unknown key is an error with a suggestion. Every field needs a
    description; the conformance kit checks it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

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


def _as_config_error(error: ValidationError, cls: type[BaseModel], where: str) -> ConfigError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    dotted = f"{where}.{key}" if key else where
    known = sorted(cls.model_fields)
    if first["type"] == "extra_forbidden":
        near = suggest(key, known)
        return ConfigError(
            f"unknown key {dotted!r}",
            value=key,
            remedy=f"did you mean {where}.{near!s}?" if near else f"known keys: {', '.join(known)}",
        )
    field = cls.model_fields.get(str(first["loc"][0])) if first["loc"] else None
    return ConfigError(
        f"{dotted} = {first['input']!r}: {first['msg']}",
        value=first["input"],
        remedy=f"{key}: {field.description}" if field is not None else f"keys: {', '.join(known)}",
    )
