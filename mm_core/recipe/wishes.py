"""What a call of ``plan`` or ``fit`` asks of the recipe."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Wishes:
    """The arguments of :meth:`mm_core.MultiModalPredictor.fit` that decide what is trained."""

    presets: str | Sequence[str] | None = None
    hyperparameters: Mapping[str, Any] | None = None
    column_types: Mapping[str, str | None] | None = None
    holdout_frac: float | None = None
    sample_weight: Hashable | None = None
    seed: int | None = None

    @property
    def given(self) -> list[str]:
        """Names of those that were given."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return [name for name, value in values.items() if value is not None and value != {}]

    @property
    def arguments(self) -> dict[str, Any]:
        """Those that are settings of the recipe too, by dotted key."""
        weight = self.sample_weight
        return {
            "data.holdout_frac": self.holdout_frac,
            "data.sample_weight": None if weight is None else str(weight),
            "training.seed": self.seed,
        }
