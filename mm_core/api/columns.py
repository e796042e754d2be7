"""What detectors see of columns and labels, and what they claim. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ColumnSample:
    """What a detector sees of one column.

    Attributes:
        name: the column's name.
        dtype: ``"number"``, ``"boolean"``, ``"datetime"``, ``"string"``, ``"categorical"`` or
            ``"object"``.
        values: up to a few hundred cells that are not missing, spread over the column; the same
            ones in whatever order the rows stand.
        null_share: share of missing cells, 0..1.
        n_rows: rows in the whole column.
        n_unique: distinct values in the whole column, missing ones not counted.
        folder: relative paths in cells start here.
        cells: all cells that are not missing, a ``pandas.Series``, for claims that one cell could
            overthrow; None where only the sample is known. It is to be read as a whole, not cell
            by cell, and never changed.
    """

    name: str
    dtype: str
    values: tuple[Any, ...]
    null_share: float
    n_rows: int
    n_unique: int
    folder: Path
    cells: Any = field(default=None, repr=False, compare=False)

    def peek(self, value: Any, size: int = 32) -> bytes | None:
        """First ``size`` bytes of the file that ``value`` names; None if there is no such file."""
        try:
            with (self.folder / str(value)).open("rb") as file:
                return file.read(size)
        except (OSError, ValueError):  # ValueError: a NUL byte in the name
            return None


@dataclass(frozen=True)
class Detection:
    """A detector's claim on a column (or a task's claim on a label).

    Attributes:
        kind: one of the modality's kinds (for a task: its name).
        score: 1.0 proved by dtype or content, 0.9 strong, 0.5 plausible, 0.1 last resort. 0.0 is no
            claim: the detector knows what these cells are, but they cannot be read as they are, and
            ``reason`` says what they are and what to do; the user is told where nobody claims them.
        reason: one clause, shown to the user: "61% of 300 values are distinct, 12 words each".
        settings: how the modality's processor is to read this column, found in all of its cells:
            a field of its config that is a dict by column -> the value for this one. The recipe has
            them; what the user sets for the column is stronger.
        warning: what the user must be told where the claim is taken; empty: nothing.
    """

    kind: str
    score: float
    reason: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    warning: str = ""


@dataclass(frozen=True)
class LabelSample:
    """What a task's detector sees of the label columns; one :class:`ColumnSample` each."""

    columns: tuple[ColumnSample, ...]
