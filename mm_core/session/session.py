"""What a predictor has at hand: components, metrics, a model or a fit that was cut off."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mm_core.api.errors import NotFittedError
from mm_core.api.fitting import FitResult
from mm_core.api.processors import Table
from mm_core.artifact.unfinished import Unfinished
from mm_core.data.align import align, align_labelled
from mm_core.plugins.registry import Registry
from mm_core.recipe.recipe import Recipe
from mm_core.scoring import Metrics

if TYPE_CHECKING:
    from mm_core.model import Model


@dataclass(frozen=True)
class Held:
    """A model; one that has not ``learned`` is built anew by each fit."""

    model: Model
    result: FitResult
    learned: bool = True


@dataclass(frozen=True)
class CutOff:
    """A fit that was cut off, and the folder where its state is."""

    fit: Unfinished
    folder: Path


@dataclass
class Session:
    """The state of a predictor.

    Attributes:
        registry: installed components.
        metrics: with the user's functions among them.
        held: the model, once there is one.
        cut_off: the fit to be taken up, if any.
        planned_rows: of the table that was planned on last.
    """

    registry: Registry
    metrics: Metrics = field(init=False)
    held: Held | None = None
    cut_off: CutOff | None = None
    planned_rows: int = 0

    def __post_init__(self) -> None:
        self.metrics = Metrics(self.registry)

    @property
    def further(self) -> Held | None:
        """The model that a fit trains further, if any."""
        return self.held if self.held is not None and self.held.learned else None

    @property
    def follows(self) -> bool:
        """Whether the recipe of a fit stands already: that of a model, or of a fit cut off."""
        return self.further is not None or self.cut_off is not None

    def need_held(self) -> Held:
        """The model with what is known of its fit.

        Raises:
            NotFittedError: there is none yet.
        """
        if self.held is None:
            raise NotFittedError(
                "this predictor has no model yet",
                remedy="call fit(train_data), or MultiModalPredictor.load(path)",
            )
        return self.held

    def labelled(self, table: Table, recipe: Recipe) -> Table:
        """Aligned inputs with the label and weight columns beside them."""
        weight = recipe.data.sample_weight
        return align_labelled(table, recipe.columns, recipe.data.label, weight, self.registry)

    def aligned(self, table: Table, recipe: Recipe) -> Table:
        """The columns that the recipe reads."""
        known = [*recipe.data.label, *filter(None, [recipe.data.sample_weight])]
        return align(table, recipe.columns, known, self.registry)
