"""Encoded frames -> batches of numpy arrays, by index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mm_core.api.batch import Batch
from mm_core.api.errors import BadCell
from mm_core.api.processors import Processor
from mm_core.data.encoded import EncodedFrame, taken


@dataclass
class BatchMaker:
    """Makes batches from an encoded frame; unreadable cells found on the way gather in ``bad``."""

    processors: Mapping[str, Processor]
    frame: EncodedFrame
    bad: list[BadCell] = field(default_factory=list)

    def make(self, rows: np.ndarray, augment: np.random.Generator | None = None) -> Batch:
        """The batch of the rows at these positions."""
        frame = self.frame
        targets: dict[str, Any] = {
            name: taken(values, rows) for name, values in frame.targets.items()
        }
        batch = Batch(
            inputs={},
            present={},
            weight=None if frame.weight is None else frame.weight[rows],
            row_ids=rows,
            table=None if frame.table is None else frame.table.take(rows),
        )
        for name, processor in self.processors.items():
            made = processor.batch(frame.inputs[name], rows, augment, targets)
            targets = targets if made.targets is None else made.targets
            batch.inputs[name] = made.arrays
            batch.present[name] = made.present
            batch.meta[name] = made.meta
            self.bad.extend(frame.located(made.bad))
        batch.targets = targets
        return batch


def prediction_order(
    frame: EncodedFrame, batch_size: int, rows: np.ndarray | None = None
) -> list[np.ndarray]:
    """Positions of the rows of each batch, rows of like cost together, costly ones first.

    Args:
        frame: encoded rows.
        batch_size: rows a batch.
        rows: positions to take; None: all.
    """
    cost = frame.cost
    order = np.arange(frame.n_rows) if cost is None else np.argsort(-cost, kind="stable")
    if rows is not None:
        order = order[np.isin(order, rows)]
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
