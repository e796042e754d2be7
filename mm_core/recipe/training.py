"""Section ``training`` of a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, field_validator

from mm_core.api.config import Config
from mm_core.api.errors import RecipeError
from mm_core.api.specs import ProcessorSpec
from mm_core.plugins.registry import Registry
from mm_core.recipe.parts import Part

if TYPE_CHECKING:
    from mm_core.recipe.recipe import Recipe

ClassWeights = (
    Literal["balanced", "effective_number"]
    | dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]]
)
"""A rule, or class -> weight."""


class TrainingConfig(Config):
    """How to fit; section ``training`` of the recipe."""

    epochs: int = Field(
        default=10,
        ge=0,
        description="passes over the training rows at most; 0, of a task that needs no fit: none",
    )
    new_first: bool = Field(
        default=False,
        description="train backbones that have a pace of their own (a table's network) by "
        "themselves first, where they stand beside others",
    )
    max_steps: int | None = Field(default=None, ge=1, description="optimiser steps at most")
    batch_size: int = Field(default=32, ge=1, description="rows a step sees at once")
    accumulate: int = Field(default=1, ge=1, description="batches per optimiser step")
    learning_rate: float = Field(default=1e-4, gt=0, description="of pretrained backbones")
    head_learning_rate: float = Field(default=1e-3, gt=0, description="of everything new")
    layer_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="learning rate factor per stage of a pretrained backbone, from the top",
    )
    weight_decay: float = Field(default=1e-3, ge=0, description="AdamW; of layers' weights only")
    schedule: Literal["cosine", "linear", "constant", "polynomial", "multistep", "coslog4"] = Field(
        default="cosine", description="learning rate after the warm-up"
    )
    warmup: float = Field(default=0.1, ge=0, lt=1, description="share of steps that warm up")
    power: float = Field(default=2.0, gt=0, description="of the schedule 'polynomial'")
    milestones: tuple[float, ...] = Field(
        default=(0.5, 0.75),
        description="schedule 'multistep': shares of its steps where it falls, such as [0.5, 0.75]",
    )
    milestone_factor: float = Field(
        default=0.1, gt=0, lt=1, description="schedule 'multistep': what it falls by"
    )
    clip_norm: float | None = Field(default=1.0, gt=0, description="largest gradient norm")
    patience: int = Field(
        default=10, ge=1, description="validations without a better score before stopping"
    )
    val_every: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="epochs between validations, rounded to a whole number of validations an epoch",
    )
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
    compile: bool = Field(
        default=False,
        description="torch.compile the stages of backbones while they train: the first steps take "
        "minutes, on a GPU later ones may be faster",
    )
    augment: bool = Field(default=True, description="whether processors may augment in training")
    precision: Literal["auto", "32", "bf16-mixed", "16-mixed"] = Field(
        default="auto",
        description="auto: bf16-mixed where the GPU has it, else 32",
        json_schema_extra={
            "enum": ["auto", "32", 32, "bf16-mixed", "16-mixed"],
            "type": ["string", "integer"],
        },
    )
    devices: int | tuple[NonNegativeInt, ...] | Literal["auto"] = Field(
        default=1, description="number of GPUs (or CPU processes), their indices, or all: auto"
    )
    strategy: Literal["auto", "ddp", "ddp_fork", "fsdp"] = Field(
        default="auto",
        description="how several devices share the work; auto: ddp, in notebooks ddp_fork",
    )
    num_nodes: int = Field(default=1, ge=1, description="machines, started by torchrun")
    workers: NonNegativeInt | Literal["auto"] = Field(
        default="auto",
        description="processes that make training batches; auto: none on a CPU; beside a GPU on up "
        "to 16 cores, where batches take long to make",
    )
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
    seed: int = Field(
        default=0, ge=0, lt=2**64, description="of the split, the weights and the batches"
    )

    @field_validator("precision", mode="before")
    @classmethod
    def _as_text(cls, precision: Any) -> Any:
        return "32" if type(precision) is int and precision == 32 else precision  # JSON's number

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

    @field_validator("devices", mode="before")
    @classmethod
    def _counted(cls, devices: Any) -> Any:
        if isinstance(devices, str) and devices != "auto" and not devices.lstrip("-").isdigit():
            raise ValueError(f"give a number, not {devices!r}: a GPU that is there is used")
        return devices

    @field_validator("devices")
    @classmethod
    def _some_devices(cls, devices: Any) -> Any:
        if devices == 0 or devices == () or (isinstance(devices, int) and devices < 0):
            raise ValueError("give 1 or more, the indices of some, or 'auto'")
        return devices


def check_mixing(recipe: Recipe, registry: Registry) -> None:
    """Refuse mixup and CutMix of inputs that cannot be blended.

    Raises:
        RecipeError: names the inputs.
    """
    training = recipe.training
    asked = [name for name in ("mixup", "cutmix") if getattr(training, name) > 0]
    stiff = [
        name
        for name, part in recipe.inputs.items()
        if not registry.get(ProcessorSpec, part.processor.id).spec.mixable
    ]
    if asked and stiff:
        raise RecipeError(
            f"training.{asked[0]} blends all inputs of a row, and of these rows {', '.join(stiff)} "
            "cannot be blended",
            value=stiff,
            remedy=f"leave training.{asked[0]} out, or leave those columns out: "
            "column_types={column: 'ignore'}",
        )
