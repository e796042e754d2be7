"""Regression: the label is standardised for training, and that is undone in the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from mm_core.api.contracts import Decoded, State, Task
from mm_core.api.errors import LabelError
from mm_core.builtin.tasks.labels import (
    label_column,
    refuse_broken_outputs,
    refuse_infinite,
    refuse_need,
    shown,
)

if TYPE_CHECKING:
    import torch


class Regression(Task):
    """Mean squared error on ``(label - mean) / std``, both of the training rows.

    Targets: ``value`` float32 [N], standardised.
    """

    def __init__(self, config: Any, label: Sequence[str]) -> None:
        super().__init__(config, label)
        self.mean = 0.0
        self.std = 1.0

    def learn(self, targets: pd.DataFrame) -> None:
        values = self._numbers(targets)
        if len(values) == 0 or values.min() == values.max():
            raise LabelError(
                f"label {self.label[0]!r} has the same value in all {len(values)} rows: "
                "there is nothing to learn",
                column=self.label[0],
                value=float(values[0]) if len(values) else None,
                remedy="give rows with different labels",
            )
        self.mean = float(values.mean())
        self.std = float(values.std())

    def encode(self, targets: pd.DataFrame) -> dict[str, Any]:
        return {"value": ((self._numbers(targets) - self.mean) / self.std).astype(np.float32)}

    @property
    def output_dim(self) -> int:
        return 1

    def loss(
        self, logits: torch.Tensor, targets: Mapping[str, Any], weight: torch.Tensor | None
    ) -> torch.Tensor:
        from torch.nn import functional as F

        losses = F.mse_loss(logits[:, 0].float(), targets["value"], reduction="none")
        if weight is None:
            return losses.mean()
        return (losses * weight).sum() / weight.sum().clamp_min(1e-12)

    def decode(self, outputs: Mapping[str, Any], meta: Mapping[str, Any]) -> Decoded:
        logits = np.asarray(outputs["logits"], dtype=np.float64)
        refuse_broken_outputs(logits)
        values = logits[:, 0] * self.std + self.mean
        return Decoded(answer=pd.DataFrame({self.label[0]: values}), views={"values": values})

    def truth(self, targets: Mapping[str, Any], needs: str) -> Any:
        if needs != "values":
            refuse_need(needs, "regression")
        return targets["value"].astype(np.float64) * self.std + self.mean

    def state(self) -> State:
        return State(values={"mean": self.mean, "std": self.std})

    @classmethod
    def from_state(cls, config: Any, label: Sequence[str], state: State) -> Self:
        task = cls(config, label)
        task.mean = float(state.values["mean"])
        task.std = float(state.values["std"])
        return task

    def _numbers(self, targets: pd.DataFrame) -> np.ndarray:
        """The label as finite float64 [N]; text is accepted where all of it reads as numbers."""
        column = label_column(targets, self.label)
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(column.cat.categories.dtype)
        if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(
            column
        ):
            raise self._not_a_number(column, np.arange(len(column)))
        numbers = pd.to_numeric(column, errors="coerce")
        bad = np.flatnonzero(numbers.isna().to_numpy())
        if len(bad):
            raise self._not_a_number(column, bad)
        values = numbers.to_numpy(dtype=np.float64)
        refuse_infinite(values, self.label[0])
        return values

    def _not_a_number(self, column: pd.Series[Any], rows: np.ndarray) -> LabelError:
        value = column.iloc[int(rows[0])] if len(rows) else None
        return LabelError(
            f"label {self.label[0]!r} is not a number in {len(rows)} row(s): {shown(rows)}",
            column=self.label[0],
            rows=rows.tolist(),
            value=value,
            remedy="correct them, or use problem_type='multiclass' if they are classes",
        )
