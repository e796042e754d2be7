"""Columns by modality, and tables with some of them only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mm_core.api import Table
from mm_ensemble.configs import FeaturesConfig

TABLE = ("tabular",)
"""What learners that read any modality are given of the data itself: columns that stand beside
the encoders'."""


def of_columns(recipe: Any) -> dict[str, list[str]]:
    """Modality's id -> columns that the recipe uses."""
    return {
        modality: [plan.name for plan in plans]
        for modality, plans in recipe.columns.by_modality().items()
    }


def reads(modalities: Collection[str], modality: str) -> bool:
    """Whether a modality, by its id, is among some, by name or id."""
    return modality in modalities or modality.split(":")[1] in modalities


def among(used: Mapping[str, Sequence[str]], modalities: Collection[str]) -> list[str]:
    """The columns of some modalities."""
    return [name for one, names in used.items() if reads(modalities, one) for name in names]


def encoded(config: FeaturesConfig, used: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Modality's id -> columns that the learner does not read itself."""
    own = config.learner.spec.modalities or TABLE
    return {one: names for one, names in used.items() if not reads(own, one)}


def only(recipe: Any, table: Table, columns: Collection[str]) -> Table:
    """Rows with these of the columns that the recipe uses, and all others, the label's."""
    unused = {name for names in of_columns(recipe).values() for name in names} - set(columns)
    kept = [name for name in table.frame.columns if name not in unused]
    return Table(table.frame[kept], table.folder, table.positions)
