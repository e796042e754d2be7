"""What the user sets: nested or dotted, with the documented sugar, as one nested dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mm_core.api.config import suggest
from mm_core.api.errors import ConfigError

SECTIONS = ("inputs", "backbones", "fusion", "task", "fit", "training", "data")
PARTS = ("fusion", "task", "fit")


def read_overrides(hyperparameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """One nested dict of the user's settings.

    Accepts nested and dotted keys mixed, ``fusion="gmu"`` for ``fusion.id``,
    ``backbones.text="text:hf"`` for ``backbones.text.id``, and ``inputs.text.backbone.x`` for
    ``backbones.text.x``.

    Raises:
        ConfigError: an unknown section, or a key given twice with different values.
    """
    nested: dict[str, Any] = {}
    for key, value in _dotted(hyperparameters or {}, ""):
        _insert(nested, _desugar(key.split("."), value), key, value)
    return nested


def with_arguments(overrides: dict[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with a function's own arguments among them, by dotted key; None: not given.

    Raises:
        ConfigError: an argument and a setting say different things.
    """
    for key, value in arguments.items():
        if value is not None:
            _insert(overrides, key.split("."), key, value)
    return overrides


def _dotted(values: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in values.items():
        dotted = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping) and value:
            pairs += _dotted(value, dotted)
        else:
            pairs.append((dotted, value))
    return pairs


def _desugar(path: list[str], value: Any) -> list[str]:
    if path[0] not in SECTIONS:
        near = suggest(path[0], list(SECTIONS))
        raise ConfigError(
            f"unknown key {'.'.join(path)!r}",
            value=path[0],
            remedy=f"did you mean {near!r}?" if near else f"sections: {', '.join(SECTIONS)}",
        )
    if path[0] in PARTS and len(path) == 1 and (isinstance(value, str) or value is None):
        return [*path, "id"]
    if path[0] == "backbones" and len(path) == 2 and isinstance(value, str):
        return [*path, "id"]
    if path[0] == "inputs" and len(path) >= 3 and path[2] == "backbone":
        rest = path[3:] or ["id"]
        return ["backbones", path[1], *rest]
    if path[0] == "inputs" and len(path) == 3 and path[2] == "processor" and isinstance(value, str):
        return [*path, "id"]
    return path


def _insert(nested: dict[str, Any], path: list[str], said: str, value: Any) -> None:
    place = nested
    for name in path[:-1]:
        place = place.setdefault(name, {})
        if not isinstance(place, dict):
            raise ConfigError(f"{said!r} is set twice, as a value and as a section", value=said)
    last = path[-1]
    if last in place and place[last] != value:
        raise ConfigError(
            f"{'.'.join(path)} is set twice: {place[last]!r} and {value!r}",
            value=value,
            remedy="keep one of them",
        )
    place[last] = value
