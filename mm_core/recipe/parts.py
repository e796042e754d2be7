"""A component in a recipe: its id, its settings, and what the core adds."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A component by id with its complete configuration beside it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str = Field(description="component id, 'plugin:name'")

    @property
    def config(self) -> dict[str, Any]:
        """The component's own keys."""
        return dict(self.model_extra or {})


class InputPart(BaseModel):
    """An input: some columns read by one processor."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[str, ...] = Field(min_length=1, description="in the order of the frame at fit")
    processor: Part
    role: str | None = Field(default=None, description="part of the task that it is, if any")


class BackbonePart(Part):
    """A backbone, the inputs it reads, and the keys the core owns."""

    inputs: tuple[str, ...] = Field(min_length=1, description="names of inputs")
    learning_rate: float | None = Field(
        default=None, gt=0, description="instead of training.learning_rate (or head_...)"
    )
    adapter: Part | None = Field(
        default=None, description="what of it is trained, and by which new weights; null: all"
    )
    share_with: str | None = Field(
        default=None,
        description="backbone whose module this one is too, inputs in the same order with one "
        "processor state; its settings are that one's",
    )
