"""The settings of a plan, as typed: shared by ``mm fit`` and ``mm plan``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_core.cli.options import column_types, roles, settings

if TYPE_CHECKING:
    from mm_core.predictor import MultiModalPredictor

NO_LABEL = "name the label column, or the --problem-type of a task that needs none"


@dataclass(frozen=True)
class Settings:
    """One field per option, by the option's name; None where it was not typed."""

    problem_type: str | None
    preset: list[str] | None
    set: list[str] | None
    column_type: list[str] | None
    eval_metric: str | None
    validation_metric: str | None
    holdout_frac: float | None
    sample_weight: str | None
    seed: int | None
    role: list[str] | None = None

    @property
    def typed(self) -> list[str]:
        """The options that were typed: ``["--preset", "--set"]``."""
        return [
            f"--{field.name.replace('_', '-')}"
            for field in fields(self)
            if getattr(self, field.name) is not None
        ]

    def predictor(
        self, label: list[str] | None, plugins: Sequence[Path] | None, **more: Any
    ) -> MultiModalPredictor:
        """A predictor with the settings that its constructor takes."""
        overrides = settings(self.set)
        from mm_core.predictor import MultiModalPredictor

        return MultiModalPredictor(
            label=list(label) if label else None,
            problem_type=self.problem_type,
            presets=self.preset,
            eval_metric=self.eval_metric,
            validation_metric=self.validation_metric,
            hyperparameters=overrides,
            plugins=plugins or (),
            roles=roles(self.role),
            **more,
        )

    def planning(self) -> dict[str, Any]:
        """The settings that ``plan`` and ``fit`` of a predictor take."""
        return {
            "column_types": column_types(self.column_type),
            "holdout_frac": self.holdout_frac,
            "sample_weight": self.sample_weight,
            "seed": self.seed,
        }
