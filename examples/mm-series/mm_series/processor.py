"""``points``: cells to standardised points with masks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from mm_core.api import (
    BadCell,
    Checkpoint,
    Encoded,
    Field,
    InputBatch,
    MMWarning,
    Processor,
    State,
    Table,
)

from mm_series.cells import read
from mm_series.configs import PointsConfig

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer[Any]]

LARGEST = 1e30
"""Points beyond this are taken for unreadable: their squares must stay finite."""

NOTHING: Floats = np.zeros(0)


@dataclass
class Column:
    """N series, one after the other: ``flat`` float64, NaN = gap; ``lengths`` int64 [N]."""

    flat: Floats
    lengths: Integers


class PointsProcessor(Processor):
    """Reads F columns of series; point t of each stands at place t.

    Arrays of a batch, T as long as its longest series:
        ``values``: float32 [B, F, T], standardised points; zeros in gaps and after the end.
        ``known``: bool [B, F, T], True where there is a number.
        ``inside``: bool [B, F, T], True up to the end of the series: numbers and gaps.
    """

    config: PointsConfig

    def __init__(
        self, config: Any, fields: Sequence[Field], checkpoint: Checkpoint | None = None
    ) -> None:
        super().__init__(config, fields, checkpoint)
        self.mean: Floats = np.zeros(len(self.fields))
        self.std: Floats = np.ones(len(self.fields))

    def fit(self, table: Table) -> None:
        """Learn mean and deviation of each column's points; say which columns are cut."""
        for place, field in enumerate(self.fields):
            column, _, n_cut = self._read(table, field.column)
            if n_cut:
                warnings.warn(self._about_cut(field.column, n_cut), MMWarning, stacklevel=2)
            points = column.flat[~np.isnan(column.flat)]
            if len(points):
                self.mean[place] = points.mean()
                self.std[place] = points.std() or 1.0

    def encode(self, table: Table) -> Encoded:
        """All rows at once; cells that cannot be read are missing, and reported.

        There is an entry for each column: N arrays float32 [2, length], the standardised points
        and, as 1 and 0, whether each is known.
        """
        arrays: dict[str, Any] = {}
        bad: list[BadCell] = []
        lengths = np.zeros(len(table), dtype=np.int64)
        present = np.zeros(len(table), dtype=np.bool_)
        for place, field in enumerate(self.fields):
            column, unreadable, _ = self._read(table, field.column)
            points = self._standardise(column, place)
            arrays[f"series_{place}"] = _cells_of(points, column.lengths)
            bad += unreadable
            lengths = np.maximum(lengths, column.lengths)
            present[_rows_of(column)[points[1] > 0]] = True
        return Encoded(arrays, present=present, lengths=lengths, bad=bad)

    def batch(
        self,
        encoded: Encoded,
        rows: Integers,
        augment: np.random.Generator | None = None,
        targets: dict[str, Any] | None = None,
    ) -> InputBatch:
        """Rows by position, padded at the end; in training with noise, if ``jitter`` is set."""
        entries = [encoded.arrays[f"series_{place}"] for place in range(len(self.fields))]
        cells = [entry[row] for row in rows for entry in entries]
        lengths = np.array([cell.shape[1] for cell in cells]).reshape(len(rows), len(entries))
        inside = np.arange(lengths.max(initial=1)) < lengths[:, :, None]
        points = np.zeros((2, *inside.shape), dtype=np.float32)
        points[:, inside] = np.concatenate([np.zeros((2, 0), np.float32), *cells], axis=1)
        values, known = points[0], points[1] > 0
        if augment is not None and self.config.jitter:
            noise = self.config.jitter * augment.standard_normal(values.shape, dtype=np.float32)
            values = np.where(known, values + noise, np.float32(0))
        arrays = {"values": values, "known": known, "inside": inside}
        return InputBatch(arrays, encoded.present[rows])

    @property
    def info(self) -> dict[str, Any]:
        """What the backbone must know."""
        return {"n_series": len(self.fields)}

    def state(self) -> State:
        """Mean and deviation of each column's training points, float64 [F]."""
        return State(arrays={"mean": self.mean, "std": self.std})

    @classmethod
    def from_state(cls, config: Any, fields: Sequence[Field], state: State) -> Self:
        """The fitted processor again."""
        processor = cls(config, fields)
        processor.mean, processor.std = state.arrays["mean"], state.arrays["std"]
        return processor

    def _read(self, table: Table, name: str) -> tuple[Column, list[BadCell], int]:
        """A column's series, the cells that cannot be read, and how many series are cut."""
        cells: pd.Series = table.frame[name]
        series: list[Floats] = [NOTHING] * len(table)
        bad: list[BadCell] = []
        for row in np.flatnonzero(cells.notna()).tolist():
            try:
                series[row] = _points(cells.iloc[row])
            except ValueError as error:
                bad.append(BadCell.of(row, name, cells.iloc[row], str(error)))
        limit = self.config.max_length
        part = slice(limit) if self.config.keep == "first" else slice(-limit, None)
        kept = [points[part] for points in series]
        lengths = np.array([len(points) for points in kept], dtype=np.int64)
        n_cut = sum(len(points) > limit for points in series)
        return Column(np.concatenate([NOTHING, *kept]), lengths), bad, n_cut

    def _standardise(self, column: Column, place: int) -> Floats:
        """float32 [2, points]: standardised points, and whether they are known."""
        known = ~np.isnan(column.flat)
        mean, std = self.mean[place], self.std[place]
        if self.config.scaling == "series":
            mean, std = _own_scale(column)
        with np.errstate(over="ignore"):  # it is clipped
            scaled = (column.flat - mean) / std
        scaled = np.clip(scaled, -self.config.clip, self.config.clip)
        return np.stack([np.where(known, scaled, 0.0), known]).astype(np.float32)

    def _about_cut(self, name: str, n_cut: int) -> str:
        limit, end = self.config.max_length, self.config.keep
        return (
            f"column {name!r}: {n_cut} series are longer than {limit} points, the {end} {limit} "
            "are read; to read more: --set inputs.series.processor.max_length=..."
        )


def _points(cell: object) -> Floats:
    """float64 [length], NaN = gap; ValueError with the reason where it is no series."""
    found = read(cell)
    if found is None:
        raise ValueError("no series of numbers")
    try:
        points = np.array([np.nan if item is None else item for item in found[1]])
    except ValueError:  # lists of different lengths
        raise ValueError("no series of numbers, but lists in a list") from None
    if points.ndim != 1 or points.dtype.kind not in "fiu":
        raise ValueError("no series of numbers: something else is among them")
    if (np.abs(points) > LARGEST).any():
        raise ValueError(f"a series with infinite numbers, or beyond {LARGEST:g}")
    return points.astype(np.float64)


def _rows_of(column: Column) -> Integers:
    """int64 [points], the row that each point belongs to."""
    return np.repeat(np.arange(len(column.lengths)), column.lengths)


def _cells_of(points: Floats, lengths: Integers) -> list[Floats]:
    """[2, points] to N arrays [2, length]."""
    ends = np.cumsum(lengths)
    return [points[:, end - n : end] for end, n in zip(ends, lengths, strict=True)]


def _own_scale(column: Column) -> tuple[Floats, Floats]:
    """Mean and deviation of the series that each point belongs to, both float64 [points]."""
    rows, known = _rows_of(column), ~np.isnan(column.flat)
    count = np.maximum(np.bincount(rows[known], minlength=len(column.lengths)), 1)

    def mean(points: Floats) -> Floats:
        return np.bincount(rows[known], points[known], minlength=len(count)) / count

    centre = mean(column.flat)[rows]
    spread = np.sqrt(mean((column.flat - centre) ** 2))
    return centre, np.where(spread > 0, spread, 1.0)[rows]
