"""Recipe: the single source of truth of a fit. Nothing downstream reads presets again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    ValidationError,
    field_validator,
    model_validator,
)

from mm_core.api.config import Config
from mm_core.api.errors import RecipeError
from mm_core.recipe.overrides import PartName
from mm_core.schema.schema import Schema

ClassWeights = Literal["balanced", "effective_number"] | dict[str, PositiveFloat]
"""A rule, or class -> weight."""


class Part(BaseModel):
    """A component by id with its complete configuration beside it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str = Field(description="component id, 'plugin:name'")

    @property
    def config(self) -> dict[str, Any]:
        """The component's own keys."""
        return dict(self.model_extra or {})


class TrainingConfig(Config):
    """How to fit; section ``training`` of the recipe."""

    epochs: int = Field(default=10, ge=1, description="passes over the training rows at most")
    max_steps: int | None = Field(default=None, ge=1, description="optimiser steps at most")
    batch_size: int = Field(default=32, ge=1, description="rows a step sees at once")
    accumulate: int = Field(default=1, ge=1, description="batches per optimiser step")
    learning_rate: float = Field(default=1e-4, gt=0, description="of pretrained backbones")
    head_learning_rate: float = Field(default=1e-3, gt=0, description="of everything new")
    layer_decay: float = Field(
        default=0.9, gt=0, le=1, description="learning rate factor per backbone stage, from the top"
    )
    weight_decay: float = Field(default=1e-3, ge=0, description="AdamW; matrices only")
    schedule: Literal["cosine", "linear", "constant", "polynomial", "multistep"] = Field(
        default="cosine", description="learning rate after the warm-up"
    )
    warmup: float = Field(default=0.1, ge=0, lt=1, description="share of steps that warm up")
    power: float = Field(default=2.0, gt=0, description="of the schedule 'polynomial'")
    milestones: tuple[float, ...] = Field(
        default=(0.5, 0.75), description="schedule 'multistep': shares of its steps where it falls"
    )
    milestone_factor: float = Field(
        default=0.1, gt=0, lt=1, description="schedule 'multistep': what it falls by"
    )
    clip_norm: float | None = Field(default=1.0, gt=0, description="largest gradient norm")
    patience: int = Field(
        default=10, ge=1, description="validations without a better score before stopping"
    )
    val_every: float = Field(default=1.0, gt=0, le=1, description="epochs between validations")
    average: Literal["best", "greedy_soup", "uniform_soup", "ema"] = Field(
        default="best",
        description="final weights: the best validation's; a soup of the top_k best (arXiv "
        "2203.05482); or the best validation's moving average",
    )
    top_k: int = Field(default=3, ge=2, description="validations that a soup is made of, at most")
    ema_decay: float = Field(
        default=0.999, gt=0, lt=1, description="average=ema: decay per step, smaller at first"
    )
    mixup: float = Field(
        default=0.0, ge=0, description="alpha of mixup (arXiv 1710.09412); 0: none; pictures only"
    )
    cutmix: float = Field(
        default=0.0, ge=0, description="alpha of CutMix (arXiv 1905.04899); 0: none; pictures only"
    )
    gradient_checkpointing: bool = Field(
        default=False, description="compute activations again in the backward pass: less memory"
    )
    augment: bool = Field(default=True, description="whether processors may augment in training")
    precision: Literal["auto", "32", "bf16-mixed", "16-mixed"] = Field(
        default="auto", description="auto: bf16-mixed where the GPU has it, else 32"
    )
    devices: int | tuple[NonNegativeInt, ...] | Literal["auto"] = Field(
        default=1, description="number of GPUs (or CPU processes), their indices, or all: auto"
    )
    strategy: Literal["auto", "ddp", "ddp_fork", "fsdp"] = Field(
        default="auto",
        description="how several devices share the work; auto: ddp, in notebooks ddp_fork",
    )
    num_nodes: int = Field(default=1, ge=1, description="machines, started by torchrun")
    workers: int = Field(default=0, ge=0, description="processes that make training batches")
    save_every: float = Field(
        default=300.0,
        ge=0,
        description="seconds between two copies of an unfinished fit, for load(path, resume=True)",
    )
    loss: Part | None = Field(
        default=None, description="the loss and its settings; null: the task's default, or own"
    )
    class_weights: ClassWeights | None = Field(
        default=None,
        description="how much rows count by their class: balanced, n / (K n_c); effective_number "
        "(arXiv 1901.05555); or class -> weight, others 1",
    )
    seed: int = Field(default=0, ge=0, description="of the split, the weights and the batches")

    @field_validator("class_weights", mode="before")
    @classmethod
    def _named_classes(cls, weights: Any) -> Any:
        if isinstance(weights, dict):  # as JSON has them: class 1 is "1"
            return {str(name): weight for name, weight in weights.items()}
        return weights

    @field_validator("milestones")
    @classmethod
    def _rising_shares(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if list(shares) != sorted(shares) or not all(0 < share < 1 for share in shares):
            raise ValueError("milestones are rising shares between 0 and 1")
        return shares

    @field_validator("devices")
    @classmethod
    def _some_devices(cls, devices: Any) -> Any:
        if devices == 0 or devices == () or (isinstance(devices, int) and devices < 0):
            raise ValueError("give 1 or more, the indices of some, or 'auto'")
        return devices


class DataConfig(Config):
    """Which rows train and how they are scored; section ``data`` of the recipe."""

    label: tuple[str, ...] = Field(min_length=1, description="label columns")
    sample_weight: str | None = Field(default=None, description="column of row weights")
    holdout_frac: float | None = Field(
        default=None, gt=0, lt=1, description="share held out; null: by the number of rows"
    )
    eval_metric: str = Field(description="metric id of evaluate()")
    validation_metric: str = Field(description="metric id that chooses the best epoch")


class InputPart(BaseModel):
    """An input: some columns read by one processor."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[str, ...] = Field(min_length=1, description="in the order of the frame at fit")
    processor: Part


class BackbonePart(Part):
    """A backbone, the inputs it reads, and the keys the core owns."""

    inputs: tuple[str, ...] = Field(min_length=1, description="names of inputs")
    learning_rate: float | None = Field(
        default=None, gt=0, description="instead of training.learning_rate (or head_...)"
    )
    adapter: Part | None = Field(
        default=None, description="what of it is trained, and by which new weights; null: all"
    )


class Recipe(BaseModel):
    """The fully resolved plan of a fit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    schema_: Schema = Field(alias="schema", description="columns, with reasons")
    data: DataConfig
    inputs: dict[PartName, InputPart] = Field(min_length=1)
    backbones: dict[PartName, BackbonePart] = Field(min_length=1)
    fusion: Part | None
    task: Part
    fit: Part
    training: TrainingConfig
    origins: dict[str, str] = Field(description="dotted key -> where its value came from")

    @property
    def columns(self) -> Schema:
        """The schema (``schema`` itself is taken by pydantic)."""
        return self.schema_

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
        if set(read) != set(self.inputs):
            raise ValueError(f"backbones read {sorted(read)}, inputs are {sorted(self.inputs)}")
        if self.fusion is not None and len(self.backbones) == 1:
            raise ValueError("a single backbone bypasses the fusion: fusion must be null")
        return self

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
        dumped = self.model_dump(mode="json", by_alias=True, exclude={"schema_", "origins"})
        return dict(_flatten(dumped, ""))

    def origin(self, key: str) -> str:
        """Where the value of a dotted key came from; a part's origin covers what is inside it."""
        while key:
            if key in self.origins:
                return self.origins[key]
            key = key.rpartition(".")[0]
        return "default"


def _as_recipe_error(error: ValidationError, source: str) -> RecipeError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    return RecipeError(
        f"{source} is no recipe: {key + ': ' if key else ''}{first['msg']}",
        value=key,
        remedy="write one with predictor.recipe.to_json() or mm plan --out recipe.json",
    )


def _flatten(value: Any, prefix: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return [
            pair
            for key, inner in value.items()
            for pair in _flatten(inner, f"{prefix}.{key}" if prefix else key)
        ]
    return [(prefix, value)]
