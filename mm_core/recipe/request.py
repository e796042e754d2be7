"""What the user wishes, before anything is looked at: one record for a predictor and its calls."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from mm_core.recipe.overrides import Overrides, with_arguments
from mm_core.recipe.roles import Roles

_SETTINGS = {
    "problem_type": "task.id",
    "match_label": "task.match_label",
    "eval_metric": "data.eval_metric",
    "validation_metric": "data.validation_metric",
    "holdout_frac": "data.holdout_frac",
    "sample_weight": "data.sample_weight",
    "seed": "training.seed",
}
"""Arguments that are settings of the recipe too, by dotted key."""


@dataclass(frozen=True)
class Request:
    """Arguments of :class:`mm_core.MultiModalPredictor`, or of its ``plan`` and ``fit``.

    Attributes:
        label: label columns.
        roles: role of the task -> columns that are it.
        problem_type: name of a task.
        match_label: the label of pairs that match.
        presets: names of presets.
        hyperparameters: settings of the recipe, nested or dotted; a later layer is stronger.
        column_types: the user's decisions on columns.
        eval_metric: name; ``"custom:<name>"`` for a callable.
        validation_metric: likewise.
        holdout_frac: share of rows to hold out.
        sample_weight: column of row weights.
        seed: of the split, new weights and batches.
        learns: whether the rows are to be learned from; otherwise they need no label.
    """

    label: tuple[str, ...] = ()
    roles: Roles = field(default_factory=dict)
    problem_type: str | None = None
    match_label: Any = None
    presets: str | Sequence[str] | None = None
    hyperparameters: tuple[Mapping[str, Any], ...] = ()
    column_types: Mapping[str, str | None] | None = None
    eval_metric: str | None = None
    validation_metric: str | None = None
    holdout_frac: float | None = None
    sample_weight: Hashable | None = None
    seed: int | None = None
    learns: bool = True

    @property
    def given(self) -> list[str]:
        """Names of those that say something."""
        names = [one.name for one in fields(self) if one.name != "learns"]
        values = {name: getattr(self, name) for name in names}
        values["hyperparameters"] = tuple(filter(None, self.hyperparameters))
        return [name for name, value in values.items() if _says(value)]

    @cached_property
    def overrides(self) -> Overrides:
        """All settings of the recipe.

        Raises:
            ConfigError: an unknown section or key, a wrong type, or something said twice.
        """
        arguments = {key: getattr(self, name) for name, key in _SETTINGS.items()}
        if self.sample_weight is not None:
            arguments["data.sample_weight"] = str(self.sample_weight)
        return with_arguments(self.hyperparameters, arguments)

    def over(self, earlier: Request) -> Request:
        """Both in one: what this says counts, settings key by key."""
        kept = {name: getattr(earlier, name) for name in set(earlier.given) - set(self.given)}
        layers = (*earlier.hyperparameters, *self.hyperparameters)
        return replace(self, **{**kept, "hyperparameters": layers})


def _says(value: Any) -> bool:
    return value is not None and not (isinstance(value, (Mapping, Sequence)) and len(value) == 0)
