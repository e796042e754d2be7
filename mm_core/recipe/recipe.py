"""Recipe: the single source of truth of a fit. Nothing downstream reads presets again, but the
plans of models inside the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from mm_core.api.config import Config
from mm_core.api.errors import RecipeError
from mm_core.api.planning import Note
from mm_core.api.specs import ConfigurableSpec
from mm_core.recipe.overrides import PLACES, PartName
from mm_core.recipe.parts import BackbonePart, InputPart, Part
from mm_core.recipe.training import TrainingConfig
from mm_core.schema.schema import Schema


class DataConfig(Config):
    """Which rows train and how they are scored; section ``data`` of the recipe."""

    label: tuple[str, ...] = Field(description="label columns; none where the task needs none")
    sample_weight: str | None = Field(default=None, description="column of row weights")
    holdout_frac: float | None = Field(
        default=None, gt=0, lt=1, description="share held out; null: by the number of rows"
    )
    eval_metric: str = Field(description="metric id of evaluate()")
    validation_metric: str = Field(description="metric id that chooses the best epoch")


class Recipe(BaseModel):
    """The fully resolved plan of a fit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    schema_: Schema = Field(alias="schema", description="columns, with reasons")
    data: DataConfig
    inputs: dict[PartName, InputPart] = Field(description="none: the fitter reads cells")
    backbones: dict[PartName, BackbonePart] = Field(description="none: the model is no network")
    fusion: Part | None
    task: Part
    fit: Part
    topology: dict[str, Any] = Field(default={}, description="settings of the task's topology")
    training: TrainingConfig
    presets: tuple[str, ...] = Field(
        default=(), description="names of those that the user chose; models inside it follow them"
    )
    origins: dict[str, str] = Field(description="dotted key -> where its value came from")
    notes: tuple[Note, ...] = Field(
        default=(), exclude=True, description="what plugins say of the plan; no part of it"
    )

    def __eq__(self, other: object) -> bool:
        """Whether the same is to be done, whatever is said of it."""
        if not isinstance(other, Recipe):
            return NotImplemented
        return self.model_dump(by_alias=True) == other.model_dump(by_alias=True)

    @property
    def columns(self) -> Schema:
        """The schema (``schema`` itself is taken by pydantic)."""
        return self.schema_

    @property
    def roles(self) -> dict[str, tuple[str, ...]]:
        """Role -> its columns; none where the task has no roles."""
        found: dict[str, tuple[str, ...]] = {}
        for part in self.inputs.values():
            if part.role is not None:
                found[part.role] = (*found.get(part.role, ()), *part.columns)
        return found

    @property
    def loss_settings(self) -> dict[str, Any]:
        """The settings of ``training.loss``; none where the task has a loss of its own."""
        return {} if self.training.loss is None else self.training.loss.config

    def parts(self) -> Iterator[tuple[str, type[ConfigurableSpec], Part]]:
        """(dotted key, kind, component) of each; those inside them stand in their settings."""
        for place, kind in PLACES.items():
            for key, found in _at({"": self}, place):
                if found is not None:
                    yield key, kind, found

    def with_training(self, values: dict[str, Any], origin: str) -> Self:
        """The same with other values in section ``training``, and where they come from."""
        origins = {f"training.{key}": origin for key in values}
        return self.model_copy(
            update={
                "training": self.training.model_copy(update=values),
                "origins": self.origins | origins,
            }
        )

    def __str__(self) -> str:
        """The columns with reasons, and the settings with their origins, those at their defaults
        left out; ``to_json()`` is all of it.
        """
        from mm_core.recipe.shown import plan_text

        return plan_text(self, full=False)

    def __repr__(self) -> str:
        return str(self)  # what a prompt shows

    def _repr_html_(self) -> str:
        from mm_core.recipe.shown import plan_html

        return plan_html(self)

    def to_json(self) -> str:
        """The recipe as indented JSON."""
        return self.model_dump_json(indent=2, by_alias=True)

    @classmethod
    def from_json(cls, text: str, *, source: str = "recipe") -> Self:
        """Read a recipe.

        Raises:
            RecipeError: not a recipe of this format.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise _as_recipe_error(error, source) from None

    @classmethod
    def build(cls, values: dict[str, Any], *, source: str) -> Self:
        """A recipe from its sections.

        Raises:
            RecipeError: they do not fit together.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _as_recipe_error(error, source) from None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        usable = {plan.name for plan in self.schema_.columns if plan.modality is not None}
        for name, part in self.inputs.items():
            strange = [column for column in part.columns if column not in usable]
            if strange or len(set(part.columns)) < len(part.columns):
                raise ValueError(f"inputs.{name}: unknown, unused or repeated columns {strange}")
        read = [name for part in self.backbones.values() for name in part.inputs]
        if self.backbones and set(read) != set(self.inputs):
            raise ValueError(f"backbones read {sorted(read)}, inputs are {sorted(self.inputs)}")
        for name, backbone in self.backbones.items():
            if backbone.share_with is not None:
                self._check_shared(name, backbone, backbone.share_with)
        return self

    def _check_shared(self, name: str, part: BackbonePart, other: str) -> None:
        """A backbone that is another one reads alike columns by the same settings."""
        whole = self.backbones.get(other)
        if whole is None or whole.share_with is not None or other == name:
            raise ValueError(f"backbones.{name}.share_with: {other!r} is no backbone of its own")
        if part.model_copy(update={"inputs": whole.inputs, "share_with": None}) != whole:
            raise ValueError(f"backbones.{name} is backbones.{other}, with other settings")
        pairs = list(zip(part.inputs, whole.inputs, strict=False))
        alike = all(self._form(one) == self._form(two) for one, two in pairs)
        if len(part.inputs) != len(whole.inputs) or not alike:
            raise ValueError(
                f"backbones.{name} is backbones.{other}, of columns that are not alike"
            )

    def _form(self, name: str) -> tuple[Any, ...]:
        """Processor, and modality and kind of each column, of an input."""
        plans = {plan.name: plan for plan in self.schema_.columns}
        columns = [plans[column] for column in self.inputs[name].columns]
        return (
            self.inputs[name].processor,
            *((column.modality, column.kind) for column in columns),
        )

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a recipe file."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"cannot read {str(path)!r}: {error}", value=str(path)) from error
        return cls.from_json(text, source=str(path))

    def flat(self) -> dict[str, Any]:
        """Dotted key -> value for every setting, in a fixed order."""
        silent = {"schema_", "presets", "origins", *([] if self.topology else ["topology"])}
        dumped = self.model_dump(mode="json", by_alias=True, exclude=silent)
        return flat(dumped)

    def origin(self, key: str) -> str:
        """Where the value of a dotted key came from; a part's origin covers what is inside it."""
        while key:
            if key in self.origins:
                return self.origins[key]
            key = key.rpartition(".")[0]
        return "default"


def _at(places: Mapping[str, Any], path: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """(dotted key, what is there) of a place in the recipe; ``*`` is any name."""
    if not path:
        yield from places.items()
        return
    deeper: dict[str, Any] = {}
    for key, place in places.items():
        inner = place if isinstance(place, Mapping) else dict(place)
        names = list(inner) if path[0] == "*" else [path[0]]
        deeper |= {f"{key}.{name}".lstrip("."): inner[name] for name in names}
    yield from _at(deeper, path[1:])


def _as_recipe_error(error: ValidationError, source: str) -> RecipeError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    return RecipeError(
        f"{source} is no recipe: {key + ': ' if key else ''}{first['msg']}",
        value=key,
        remedy="write one with predictor.recipe.to_json() or mm plan --out recipe.json",
    )


def flat(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings by dotted key; lists stay whole."""
    return dict(_flatten(dict(sections), ""))


def _flatten(value: Any, prefix: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return [
            pair
            for key, inner in value.items()
            for pair in _flatten(inner, f"{prefix}.{key}" if prefix else key)
        ]
    return [(prefix, value)]
