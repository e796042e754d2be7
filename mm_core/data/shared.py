"""One processor for the columns of several inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mm_core.api.errors import BadCell
from mm_core.api.processors import Encoded, Field, InputBatch, Processor, State, Table


class SharedProcessor(Processor):
    """The processor of another input, for columns of other names; it learns nothing of its own.

    That one is fitted on the rows of both, and what it learned may go by the names of its columns
    (categories, scales). So it is shown these columns under its own names, and cells that cannot be
    read are told under theirs.

    Args:
        whole: the other input's processor.
        fields: as many columns, in the same order.
    """

    def __init__(self, whole: Processor, fields: Sequence[Field]) -> None:
        super().__init__(whole.config, fields, whole.checkpoint)
        self.whole = whole
        pairs = list(zip(self.fields, whole.fields, strict=True))
        self._known = {own.column: known.column for own, known in pairs}
        self._own = {known.column: own.column for own, known in pairs}

    def fit(self, table: Table) -> None:
        """Nothing: the other one is fitted, on these rows too."""

    def encode(self, table: Table) -> Encoded:
        """As the other one encodes them."""
        frame = table.frame.rename(columns=self._known)
        encoded = self.whole.encode(replace(table, frame=frame))
        unlike = [
            replace(one, column=self._own.get(one.column, one.column)) for one in encoded.unlike
        ]
        return replace(encoded, bad=self._told(encoded.bad), unlike=unlike)

    def batch(
        self,
        encoded: Encoded,
        rows: np.ndarray,
        augment: np.random.Generator | None = None,
        targets: dict[str, Any] | None = None,
    ) -> InputBatch:
        """As the other one makes them."""
        made = self.whole.batch(encoded, rows, augment, targets)
        return replace(made, bad=self._told(made.bad))

    @property
    def info(self) -> Mapping[str, Any]:
        """That of the other one."""
        return self.whole.info

    def state(self) -> State:
        """Nothing: it is in that of the other one."""
        return State()

    def _told(self, cells: Sequence[BadCell]) -> list[BadCell]:
        return [replace(cell, column=self._own.get(cell.column, cell.column)) for cell in cells]
