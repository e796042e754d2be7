"""A frame, encoded once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api.errors import BadCell
from mm_core.api.processors import Encoded, Processor, Table


@dataclass
class EncodedFrame:
    """All inputs of a frame, and its targets where they are known.

    Attributes:
        inputs: by input name.
        targets: by target name, each indexed by row.
        labels: the label columns as given, where they are known.
        weight: float32 [N] or None.
        n_rows: N.
        positions: long [N], where the rows stood in the caller's data; None: at 0..N-1.
        table: the rows as they came, where the engine reads them.
    """

    inputs: dict[str, Encoded]
    n_rows: int
    targets: dict[str, Any] = field(default_factory=dict)
    labels: pd.DataFrame | None = None
    weight: np.ndarray | None = None
    positions: np.ndarray | None = None
    table: Table | None = None

    @property
    def bad(self) -> list[BadCell]:
        """Unreadable cells of all inputs, by their rows in the caller's data."""
        return self.located([cell for encoded in self.inputs.values() for cell in encoded.bad])

    def located(self, cells: Iterable[BadCell]) -> list[BadCell]:
        """Cells of this frame with their rows in the caller's data."""
        stood = self.positions
        if stood is None:
            return list(cells)
        return [replace(cell, row=int(stood[cell.row])) for cell in cells]

    @property
    def cost(self) -> np.ndarray | None:
        """float [N], how much work a row is compared with others; None: all the same."""
        lengths = [e.lengths for e in self.inputs.values() if e.lengths is not None]
        return None if not lengths else np.sum(lengths, axis=0)


def taken(values: Any, rows: np.ndarray) -> Any:
    """The values at these positions, of an array or a list."""
    return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]


def encode_inputs(
    processors: Mapping[str, Processor], columns: Mapping[str, tuple[str, ...]], table: Table
) -> EncodedFrame:
    """Encode each input's columns.

    Args:
        processors: by input name.
        columns: input name -> the columns it reads.
        table: rows that hold at least these columns.
    """
    inputs = {
        name: processor.encode(Table(table.frame[list(columns[name])], table.folder))
        for name, processor in processors.items()
    }
    return EncodedFrame(inputs, len(table), positions=table.positions)
