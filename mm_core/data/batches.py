"""Encoded frames -> batches of tensors, by index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from mm_core.api.contracts import Processor
from mm_core.api.errors import BadCell, BadCellError
from mm_core.api.nn import Batch
from mm_core.data.encoded import EncodedFrame


@dataclass
class BatchMaker:
    """Makes batches from an encoded frame; unreadable cells found on the way gather in ``bad``."""

    processors: Mapping[str, Processor]
    frame: EncodedFrame
    bad: list[BadCell] = field(default_factory=list)

    def make(self, rows: np.ndarray, augment: np.random.Generator | None = None) -> Batch:
        """The batch of the rows at these positions."""
        targets = {name: _take(values, rows) for name, values in self.frame.targets.items()}
        weight = self.frame.weight
        batch = Batch(
            inputs={},
            present={},
            weight=None if weight is None else torch.from_numpy(weight[rows]),
            row_ids=torch.from_numpy(rows),
        )
        for name, processor in self.processors.items():
            made = processor.batch(self.frame.inputs[name], rows, augment, targets)
            targets = targets if made.targets is None else made.targets
            batch.inputs[name] = {key: _tensor(values) for key, values in made.arrays.items()}
            batch.present[name] = torch.from_numpy(made.present)
            batch.meta[name] = made.meta
            self.bad.extend(self.frame.located(made.bad))
        batch.targets = {name: _tensor(values) for name, values in targets.items()}
        return batch


class TrainBatches:
    """Shuffled batches of one epoch. The same seed and epoch give the same batches.

    The last batch takes up a single row left over: batch normalisation cannot train on one row.

    Args:
        processors: by input name.
        frame: encoded training rows with targets.
        batch_size: rows a batch.
        seed: of order and augmentation.
        augment: whether processors may augment.

    Attributes:
        bad: cells found unreadable so far, masked.

    Raises:
        BadCellError: while iterating, when a cell cannot be read; lists all such cells. Not raised
            after :meth:`mask_bad`.
    """

    def __init__(
        self,
        processors: Mapping[str, Processor],
        frame: EncodedFrame,
        batch_size: int,
        seed: int,
        augment: bool,
    ) -> None:
        self._maker = BatchMaker(processors, frame)
        self._batch_size = batch_size
        self._seed = seed
        self._augment = augment
        self._epoch = 0
        self._masking = False

    def mask_bad(self) -> None:
        """Go on where a cell cannot be read."""
        self._masking = True

    @property
    def bad(self) -> list[BadCell]:
        """Cells found unreadable so far, each once."""
        return list(dict.fromkeys(self._maker.bad))

    def set_epoch(self, epoch: int) -> None:
        """Reshuffle and re-augment for this epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(_cuts(self._maker.frame.n_rows, self._batch_size))

    def __iter__(self) -> Iterator[Batch]:
        generator = np.random.default_rng((self._seed, self._epoch))
        order = generator.permutation(self._maker.frame.n_rows)
        for start, stop in _cuts(len(order), self._batch_size):
            batch = self._maker.make(order[start:stop], generator if self._augment else None)
            if self._maker.bad and not self._masking:
                raise BadCellError(self._all_bad())
            yield batch

    def _all_bad(self) -> list[BadCell]:
        """Read every row once more, so that the error can list every cell at fault."""
        scan = BatchMaker(self._maker.processors, self._maker.frame)
        for start, stop in _cuts(scan.frame.n_rows, self._batch_size):
            scan.make(np.arange(start, stop))
        return scan.bad


def prediction_order(frame: EncodedFrame, batch_size: int) -> list[np.ndarray]:
    """Positions of the rows of each batch, rows of like cost together, costly ones first."""
    cost = frame.cost
    order = np.arange(frame.n_rows) if cost is None else np.argsort(-cost, kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def _cuts(n_rows: int, batch_size: int) -> list[tuple[int, int]]:
    cuts = [(start, min(start + batch_size, n_rows)) for start in range(0, n_rows, batch_size)]
    if len(cuts) > 1 and cuts[-1][1] - cuts[-1][0] == 1:
        (start, _), (_, stop) = cuts[-2:]
        cuts[-2:] = [(start, stop)]
    return cuts


def _take(values: Any, rows: np.ndarray) -> Any:
    return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]


def _tensor(values: Any) -> Any:
    return torch.from_numpy(values) if isinstance(values, np.ndarray) else values
