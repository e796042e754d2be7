"""The error family: every error says what is wrong, where, and what to type next."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self


class MMError(Exception):
    """Base of every error mm raises on purpose.

    Args:
        message: what is wrong, one sentence.
        plugin: the plugin or component id concerned, such as ``"text"`` or ``"text:hf"``.
        column: the column concerned.
        rows: positions (0-based) of the rows concerned, in the caller's order.
        value: the offending value.
        remedy: what the user can type or change to go on.
    """

    def __init__(
        self,
        message: str,
        *,
        plugin: str | None = None,
        column: str | None = None,
        rows: Sequence[int] = (),
        value: Any = None,
        remedy: str | None = None,
    ) -> None:
        self.message = message
        self.plugin = plugin
        self.column = column
        self.rows = tuple(int(row) for row in rows)
        self.value = value
        self.remedy = remedy
        super().__init__(self._render())

    @property
    def row(self) -> int | None:
        """The first row concerned, or None."""
        return self.rows[0] if self.rows else None

    def _render(self) -> str:
        return self.message if self.remedy is None else f"{self.message}\n  -> {self.remedy}"


class PluginError(MMError):
    """A plugin or component cannot be found, loaded or used."""


class PluginLoadError(PluginError):
    """A plugin is installed but cannot be loaded."""


class IncompatiblePluginError(PluginLoadError):
    """A plugin was written for an API version this core does not offer."""


class UnknownComponentError(PluginError):
    """No plugin offers a component of that name."""


class AmbiguousComponentError(PluginError):
    """A short name fits several components."""


class ConfigError(MMError, ValueError):
    """A setting is unknown, of the wrong type, or in conflict with another."""


class RecipeError(ConfigError):
    """The parts of a recipe do not fit together."""


class DataError(MMError, ValueError):
    """The data cannot be used as given."""


class EmptyDataError(DataError):
    """There are no rows, or no usable columns."""


class ColumnError(DataError):
    """A column is missing, renamed, duplicated, or unusable."""


class LabelError(DataError):
    """The label column is missing, constant, incomplete, or holds an unknown value."""


class CheckpointError(MMError):
    """No source could give the wanted checkpoint."""


class MetricError(MMError, ValueError):
    """A metric is unknown or not defined on this data."""


class ArtifactError(MMError):
    """A saved model is incomplete, altered, unsafe or from another version."""


class NotFittedError(MMError):
    """The predictor has no trained model yet."""


class TrainingError(MMError):
    """Training cannot go on."""


class MemoryFullError(MMError):
    """A batch does not fit into the memory of the device that is to run it."""


_SHOWN = 80
"""Characters of a cell that a message shows."""


@dataclass(frozen=True)
class BadCell:
    """One cell that is there but cannot be read.

    Attributes:
        row: position of the row in the frame, 0-based.
        column: name of the column.
        value: short text of the value.
        reason: why it cannot be read.
    """

    row: int
    column: str
    value: str
    reason: str

    @classmethod
    def of(cls, row: int, column: str, cell: Any, reason: str) -> Self:
        """Of the cell itself, whose text is cut to a length that can be read."""
        text = repr(cell)
        return cls(int(row), column, text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...", reason)


class BadCellError(DataError):
    """Cells are there but broken; ``cells`` lists every one of them."""

    SHOWN = 10
    REMEDY = (
        "repair or remove these cells, or go on without them: on_error='missing' "
        "(--on-error missing)"
    )

    def __init__(self, cells: Iterable[BadCell], *, plugin: str | None = None) -> None:
        self.cells = tuple(sorted(cells, key=lambda cell: (cell.row, cell.column)))
        first = self.cells[0]
        shown = [
            f"row {c.row}, column {c.column!r}: {c.reason} ({c.value})"
            for c in self.cells[: self.SHOWN]
        ]
        if len(self.cells) > self.SHOWN:
            shown.append(f"... and {len(self.cells) - self.SHOWN} more (see .cells)")
        super().__init__(
            f"{len(self.cells)} cell(s) cannot be read:\n    " + "\n    ".join(shown),
            plugin=plugin,
            column=first.column,
            rows=sorted({cell.row for cell in self.cells}),
            value=first.value,
            remedy=self.REMEDY,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.cells,), {"plugin": self.plugin}


class MMWarning(UserWarning):
    """Something was masked, filled, ignored or replaced, as documented; the text says what."""


def report_bad(cells: Sequence[BadCell], on_error: str) -> None:
    """Raise on unreadable cells, or with ``on_error="missing"`` say that they were masked.

    Raises:
        BadCellError: lists all of them.
    """
    if not cells:
        return
    error = BadCellError(cells)
    if on_error == "raise":
        raise error
    warnings.warn(f"taken as missing: {error.message}", MMWarning, stacklevel=3)
