"""Regression: the label is standardised for training, and that is undone in the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any, Self

import numpy as np
import pandas as pd

from mm_core.api.errors import LabelError
from mm_core.api.processors import State
from mm_core.api.tasks import Decoded, Task
from mm_core.builtin.tasks.labels import (
    as_number,
    label_column,
    refuse_broken_outputs,
    refuse_infinite,
    refuse_need,
    shown,
)
from mm_core.builtin.tasks.written import plainly

SMALLEST, LARGEST = 1e-150, 1e150
"""Bounds of the label's deviation: squares of anything beyond leave float64."""


class Regression(Task):
    """A loss on ``(label - mean) / std``, both of the training rows.

    Targets: ``value`` float32 [N], standardised, for the loss; ``exact`` int64 [N], the bits of the
    label as float64, for metrics (targets go to the device, and not every device has float64).
    """

    def __init__(self, config: Any, label: Sequence[str]) -> None:
        super().__init__(config, label)
        self.mean = 0.0
        self.std = 1.0

    def learn(self, targets: pd.DataFrame) -> None:
        values = self._numbers(targets)
        if len(values) == 1:
            raise LabelError(
                f"label {self.label[0]!r}: one row is left for training, and numbers cannot be "
                "learned from one",
                column=self.label[0],
                value=float(values[0]),
                remedy="give more rows, or give validation rows of their own: tuning_data= "
                "(--tuning)",
            )
        if len(values) == 0 or values.min() == values.max():
            raise LabelError(
                f"label {self.label[0]!r} has the same value in all {len(values)} rows: "
                "there is nothing to learn",
                column=self.label[0],
                value=float(values[0]) if len(values) else None,
                remedy="give rows with different labels",
            )
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            self.mean = float(values.mean())
            self.std = float(values.std())
        if not SMALLEST < self.std < LARGEST:
            raise LabelError(
                f"label {self.label[0]!r} ranges from {values.min():g} to {values.max():g}, which "
                "is too small or too large a scale to compute with",
                column=self.label[0],
                value=float(values[np.abs(values).argmax()]),
                remedy=f"give it in another unit: data[{self.label[0]!r}] / "
                f"{np.abs(values).max():g}",
            )

    def encode(self, targets: pd.DataFrame) -> dict[str, Any]:
        values = self._numbers(targets)
        with np.errstate(over="ignore"):
            scaled = ((values - self.mean) / self.std).astype(np.float32)
        return {"value": scaled, "exact": values.view(np.int64)}

    @property
    def output_dim(self) -> int:
        return 1

    def decode(
        self, outputs: Mapping[str, Any], meta: Mapping[str, Any], options: Any = None
    ) -> Decoded:
        logits = np.asarray(outputs["logits"], dtype=np.float64)
        refuse_broken_outputs(logits)
        values = logits[:, 0] * self.std + self.mean
        return Decoded(answer=pd.DataFrame({self.label[0]: values}), views={"values": values})

    def truth(self, targets: Mapping[str, Any], needs: str) -> Any:
        if needs != "values":
            refuse_need(needs, "regression")
        return targets["exact"].view(np.float64)

    def constant(self, targets: Mapping[str, Any]) -> np.ndarray | None:
        """The mean."""
        mean: np.ndarray = np.asarray(targets["value"], np.float64).mean(keepdims=True)
        return mean

    def true_answer(self, targets: Mapping[str, Any]) -> pd.DataFrame:
        return pd.DataFrame({self.label[0]: self.truth(targets, "values")})

    def state(self) -> State:
        return State(values={"mean": self.mean, "std": self.std})

    @classmethod
    def from_state(cls, config: Any, label: Sequence[str], state: State) -> Self:
        task = cls(config, label)
        task.mean, task.std = state.values["mean"], state.values["std"]
        for name, value in (("mean", task.mean), ("std", task.std)):
            if type(value) not in (int, float) or not math.isfinite(value):
                raise ValueError(f"{name} = {value!r} is no finite number")
        if not task.std > 0:
            raise ValueError(f"std = {task.std!r} is not above 0")
        return task

    def _numbers(self, targets: pd.DataFrame) -> np.ndarray:
        """The label as finite float64 [N]; text is accepted where all of it reads as numbers.

        A new array, in one piece of memory.
        """
        column = label_column(self, targets)
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(column.cat.categories.dtype)
        if column.dtype.kind in "Mmc":
            raise self._not_a_number(column, np.arange(len(column)))
        if column.dtype.kind == "O":
            column = pd.Series([_readable(cell) for cell in column.tolist()], dtype=object)
        values = np.array(pd.to_numeric(column, errors="coerce"), dtype=np.float64)
        bad = np.flatnonzero(np.isnan(values))
        if len(bad):
            raise self._not_a_number(targets[self.label[0]], bad)
        refuse_infinite(values, self.label[0])
        return values

    def _not_a_number(self, column: pd.Series[Any], rows: np.ndarray) -> LabelError:
        value = column.iloc[int(rows[0])] if len(rows) else None
        return LabelError(
            f"label {self.label[0]!r} is not a number in {len(rows)} row(s): {shown(rows)} "
            f"(first: {value!r})",
            column=self.label[0],
            rows=rows.tolist(),
            value=value,
            remedy=as_number(column)
            or plainly(column, rows.tolist())
            or "correct or drop them, or use problem_type='multiclass' if they are classes",
        )


def _readable(cell: Any) -> float | str | None:
    """A number or text as it is, of other cells nothing; inf: too large for float64."""
    if isinstance(cell, str):
        return cell
    if not isinstance(cell, Real | Decimal | np.bool_):
        return None
    try:
        return float(cell)
    except OverflowError:
        return math.inf
