"""What the user sets: nested or dotted, with the documented sugar, as one checked record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from mm_core.api.config import Config, suggest
from mm_core.api.errors import ConfigError
from mm_core.api.specs import (
    AdapterSpec,
    BackboneSpec,
    ConfigurableSpec,
    FitterSpec,
    FusionHeadSpec,
    LossSpec,
    ProcessorSpec,
    TaskSpec,
)
from mm_core.plugins.slots import USER, put

PART_NAME = r"^[a-z][a-z0-9_]*$"
PartName = Annotated[str, Field(pattern=PART_NAME)]
Column = Annotated[str, Field(min_length=1)]

PLACES: Mapping[tuple[str, ...], type[ConfigurableSpec]] = {
    ("inputs", "*", "processor"): ProcessorSpec,
    ("backbones", "*"): BackboneSpec,
    ("backbones", "*", "adapter"): AdapterSpec,
    ("fusion",): FusionHeadSpec,
    ("task",): TaskSpec,
    ("fit",): FitterSpec,
    ("training", "loss"): LossSpec,
}
"""Where components stand in settings and recipes; ``*`` is the name of an input or a backbone.
Components inside them stand in slots of their configs."""

SUGAR = {
    ("inputs", "*", "backbone", *place[2:]): kind
    for place, kind in PLACES.items()
    if place[0] == "backbones"
}
"""``inputs.<name>.backbone`` is ``backbones.<name>``, the usual name of a backbone."""

_ALWAYS_ONE = (ProcessorSpec, BackboneSpec)
"""Kinds of which null cannot mean none, nor the usual one."""


class PartOverride(Config):
    """Settings of one component; ``id`` chooses it, the other keys are its own."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str | None = Field(default=None, description="component id or short name")

    @property
    def own(self) -> dict[str, Any]:
        """The component's own keys."""
        return dict(self.model_extra or {})

    @property
    def given(self) -> list[tuple[str, dict[str, Any] | None]]:
        """As a layer for what is filled; an id of null without settings means none."""
        chosen = {"id": self.id} if "id" in self.model_fields_set else {}
        return [(USER, {**chosen, **self.own})] if chosen or self.own else []


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
    topology: dict[str, Any] = Field(default={}, description="how the network is put together")
    training: dict[str, Any] = Field(default={}, description="how to fit")
    data: dict[str, Any] = Field(default={}, description="rows and metrics")

    @property
    def loss(self) -> PartOverride:
        """``training.loss``."""
        return PartOverride.read(self.training.get("loss") or {}, where="training.loss")


SECTIONS = tuple(Overrides.model_fields)


_KNOWN_AS = {"lr": "learning_rate", "n_epochs": "epochs", "max_epochs": "epochs"}
"""Names that other libraries have for settings of a training."""


def place_of(name: str) -> str | None:
    """Where the setting of that short name stands, ``epochs`` -> ``training.epochs``, if in one
    place; settings of components are not looked through.
    """
    from mm_core.recipe.recipe import DataConfig  # which reads this module
    from mm_core.recipe.training import TrainingConfig

    sections: dict[str, type[Config]] = {"training": TrainingConfig, "data": DataConfig}
    name = _KNOWN_AS.get(name, name)
    found = [f"{key}.{name}" for key, config in sections.items() if name in config.model_fields]
    return found[0] if len(found) == 1 else None


def place_near(name: str) -> str | None:
    """Likewise, of a name that is nearly one."""
    from mm_core.recipe.training import TrainingConfig

    near = suggest(name, list(TrainingConfig.model_fields))
    return None if near is None else place_of(near)


def read_overrides(*layers: Mapping[str, Any] | None) -> Overrides:
    """One record of the user's settings; a later layer replaces single keys of an earlier one.

    Accepts nested and dotted keys mixed, the name of a component for its id (``fusion="gmu"`` for
    ``fusion.id``, ``training.loss="focal"``, ``backbones.text="text:hf"``, ``fusion.head="mean"``
    for a component inside), and ``inputs.text.backbone.x`` for ``backbones.text.x``.

    Raises:
        ConfigError: an unknown section or key, a wrong type, or a key set twice in one layer.
    """
    return with_arguments(layers, {})


def with_arguments(
    layers: Sequence[Mapping[str, Any] | None], arguments: Mapping[str, Any]
) -> Overrides:
    """The settings with a function's own arguments among them, by dotted key; None: not given.

    Raises:
        ConfigError: an argument and a setting say different things.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        own: dict[str, Any] = {}
        for path, value in sorted(_leaves((), layer or {}), key=lambda leaf: len(leaf[0])):
            put(own, path, value, once=True)
            put(merged, path, value, once=False)
    for key, value in arguments.items():
        if value is not None:
            put(merged, key.split("."), value, once=True)
    return Overrides.read(merged, where="")


def _leaves(
    path: tuple[str, ...], values: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        here = (*path, *str(key).split("."))
        if isinstance(value, Mapping) and _keys_are_settings(here):
            yield from _leaves(here, value)
        else:
            yield _desugar(here, value), value


def _keys_are_settings(path: tuple[str, ...]) -> bool:
    """Whether a mapping at this place is part of the recipe, and no value of some setting."""
    return len(path) < 2 or any(
        _matches(path, place[: len(path)]) for place in (*PLACES, *SUGAR) if place[len(path) - 1 :]
    )


def _matches(path: tuple[str, ...], place: tuple[str, ...]) -> bool:
    return len(path) == len(place) and all(
        wanted in (name, "*") for name, wanted in zip(path, place, strict=True)
    )


def _desugar(path: tuple[str, ...], value: Any) -> tuple[str, ...]:
    if path[0] not in SECTIONS:
        near = place_of(path[0]) or suggest(path[0], list(SECTIONS)) or place_near(path[0])
        raise ConfigError(
            f"unknown key {'.'.join(path)!r}",
            value=path[0],
            remedy=f"did you mean {near!r}?" if near else f"sections: {', '.join(SECTIONS)}",
        )
    if path[:1] == ("inputs",) and path[2:3] == ("backbone",):
        return _desugar(("backbones", path[1], *path[3:]), value)
    if path[:2] == ("training", "class_weights"):  # a class may be called v1.0
        return (*path[:2], *filter(None, [".".join(path[2:])]))
    kind = next((kind for place, kind in PLACES.items() if _matches(path, place)), None)
    if kind is None:
        return path
    if isinstance(value, str) or (value is None and kind not in _ALWAYS_ONE):
        return (*path, "id")
    dotted, words = ".".join(path), kind.kind.replace("_", " ")
    raise ConfigError(
        f"{dotted}={value!r}: a {words} is named",
        value=value,
        remedy=f"{dotted}=NAME, or {dotted}={{'id': 'NAME', and its settings}}",
    )
