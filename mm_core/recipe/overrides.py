"""What the user sets: nested or dotted, with the documented sugar, as one checked record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from mm_core.api.config import Config, suggest
from mm_core.api.errors import ConfigError

PART_NAME = r"^[a-z][a-z0-9_]*$"
PartName = Annotated[str, Field(pattern=PART_NAME)]
Column = Annotated[str, Field(min_length=1)]

KEY_DEPTH = {"inputs": 4, "backbones": 3}
"""Parts of a dotted key down to a component's own keys; 2 in all other sections, and one more in a
component that stands inside: a loss, an adapter. What lies below is a value, and its keys are not
split."""


class PartOverride(Config):
    """Settings of one component; ``id`` chooses it, the other keys are its own."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str | None = Field(default=None, description="component id or short name")

    @property
    def own(self) -> dict[str, Any]:
        """The component's own keys."""
        return dict(self.model_extra or {})


class BackboneOverride(PartOverride):
    """Settings of one backbone, with the keys that the core owns."""

    inputs: tuple[PartName, ...] | None = Field(
        default=None, min_length=1, description="names of the inputs it reads"
    )
    learning_rate: float | None = Field(
        default=None, gt=0, description="instead of training.learning_rate"
    )
    adapter: PartOverride = Field(default=PartOverride(), description="its adapter")
    share_with: PartName | None = Field(
        default=None, description="backbone whose module this one is too; null: one of its own"
    )


class InputOverride(Config):
    """Settings of one input."""

    columns: tuple[Column, ...] | None = Field(
        default=None, min_length=1, description="names of the columns it reads"
    )
    processor: PartOverride = Field(default=PartOverride(), description="its processor")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.columns is not None and len(set(self.columns)) < len(self.columns):
            raise ValueError("columns stand there twice")
        return self


class Overrides(Config):
    """All settings of a user, by section of the recipe."""

    inputs: dict[PartName, InputOverride] = Field(default={}, description="by input name")
    backbones: dict[PartName, BackboneOverride] = Field(default={}, description="by name")
    fusion: PartOverride = Field(default=PartOverride(), description="the fusion head")
    task: PartOverride = Field(default=PartOverride(), description="the task")
    fit: PartOverride = Field(default=PartOverride(), description="the fitter")
    training: dict[str, Any] = Field(default={}, description="how to fit")
    data: dict[str, Any] = Field(default={}, description="rows and metrics")

    @property
    def loss(self) -> PartOverride:
        """``training.loss``."""
        return PartOverride.read(self.training.get("loss") or {}, where="training.loss")


SECTIONS = tuple(Overrides.model_fields)


def read_overrides(*layers: Mapping[str, Any] | None) -> Overrides:
    """One record of the user's settings; a later layer replaces single keys of an earlier one.

    Accepts nested and dotted keys mixed, ``fusion="gmu"`` for ``fusion.id``,
    ``training.loss="focal"`` for ``training.loss.id``, ``backbones.text="text:hf"`` for
    ``backbones.text.id``, and ``inputs.text.backbone.x`` for ``backbones.text.x``.

    Raises:
        ConfigError: an unknown section or key, a wrong type, or a key set twice in one layer.
    """
    merged: dict[tuple[str, ...], Any] = {}
    for layer in layers:
        merged |= _leaves(layer or {})
    return _record(merged)


def with_arguments(
    settings: tuple[Mapping[str, Any] | None, ...], arguments: Mapping[str, Any]
) -> Overrides:
    """The settings with a function's own arguments among them, by dotted key; None: not given.

    Raises:
        ConfigError: an argument and a setting say different things.
    """
    merged: dict[tuple[str, ...], Any] = {}
    for layer in settings:
        merged |= _leaves(layer or {})
    for key, value in arguments.items():
        if value is not None:
            _set(merged, tuple(key.split(".")), value)
    return _record(merged)


def _leaves(layer: Mapping[str, Any]) -> dict[tuple[str, ...], Any]:
    leaves: dict[tuple[str, ...], Any] = {}
    for path, value in _walk((), layer):
        _set(leaves, _desugar(path, value), value)
    return leaves


def _walk(path: tuple[str, ...], values: Mapping[str, Any]) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for key, value in values.items():
        here = (*path, *str(key).split("."))
        deep = len(here) >= _depth(here)
        found += _walk(here, value) if isinstance(value, Mapping) and not deep else [(here, value)]
    return found


def _depth(path: tuple[str, ...]) -> int:
    """Parts of this dotted key down to a component's own keys."""
    match path:
        case ("training", "loss", *_):
            return 3
        case ("backbones", _, "adapter", *_):
            return 4
        case ("inputs", _, "backbone", "adapter", *_):
            return 5
    return KEY_DEPTH.get(path[0], 2)


def _desugar(path: tuple[str, ...], value: Any) -> tuple[str, ...]:
    if path[0] not in SECTIONS:
        near = suggest(path[0], list(SECTIONS))
        raise ConfigError(
            f"unknown key {'.'.join(path)!r}",
            value=path[0],
            remedy=f"did you mean {near!r}?" if near else f"sections: {', '.join(SECTIONS)}",
        )
    named = isinstance(value, str)
    match path:
        case ("fusion" | "task" | "fit",) if named or value is None:
            return (*path, "id")
        case ("training", "loss") if named or value is None:
            return (*path, "id")
        case ("training", "loss"):
            raise ConfigError(
                f"training.loss={value!r}: a loss is named",
                value=value,
                remedy="training.loss=focal, or training.loss={'id': 'focal', 'gamma': 3}",
            )
        case ("backbones", _) if named:
            return (*path, "id")
        case ("backbones", _, "adapter") if named or value is None:
            return (*path, "id")
        case ("inputs", _, "processor") if named:
            return (*path, "id")
        case ("training", "class_weights", _, _, *_):  # a class may be called v1.0
            return (*path[:2], ".".join(path[2:]))
        case ("inputs", name, "backbone", *rest):
            return _desugar(("backbones", name, *(rest or ["id"])), value)
    return path


def _set(leaves: dict[tuple[str, ...], Any], path: tuple[str, ...], value: Any) -> None:
    if path in leaves and leaves[path] != value:
        raise ConfigError(
            f"{'.'.join(path)} is set twice: {leaves[path]!r} and {value!r}",
            value=value,
            remedy="keep one of them",
        )
    leaves[path] = value


def _record(leaves: Mapping[tuple[str, ...], Any]) -> Overrides:
    nested: dict[str, Any] = {}
    for path, value in leaves.items():
        place = nested
        for name in path[:-1]:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise ConfigError(
                    f"{'.'.join(path)} is set both as a value and as a section",
                    value=value,
                    remedy="keep one of them",
                )
        place[path[-1]] = value
    return Overrides.read(nested, where="")
