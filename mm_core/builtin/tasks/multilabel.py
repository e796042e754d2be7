"""Multilabel: any number of labels a row, each answered by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from mm_core.api.errors import LabelError
from mm_core.api.processors import State
from mm_core.api.tasks import Decoded, Task
from mm_core.builtin.tasks.calibration import Calibration, label_nll
from mm_core.builtin.tasks.indicators import Indicators
from mm_core.builtin.tasks.label_sets import LabelSets
from mm_core.builtin.tasks.labels import refuse_broken_outputs, refuse_need

Form = Indicators | LabelSets
"""How labels are written: a column for each, or one column of lists."""


class Multilabel(Task):
    """Sigmoid over labels: several columns of 0 and 1, or one column whose cells are lists.

    Targets: ``labels`` float32 [N, L], 0 or 1. A label is answered where its probability is above
    the threshold, which is one for all labels.
    """

    def __init__(self, config: Any, label: Sequence[str]) -> None:
        super().__init__(config, label)
        self.form: Form = LabelSets(label[0], config.separator) if len(label) == 1 else Indicators()
        self.calibration = Calibration.start(config)

    def complete(self, targets: pd.DataFrame) -> pd.DataFrame:
        if self.config.missing == "no_labels":
            targets = self.form.filled(targets)
        try:
            return super().complete(targets)
        except LabelError as error:
            if not error.rows:
                raise
            raise LabelError(
                error.message,
                column=error.column,
                rows=error.rows,
                remedy="where missing means that the row has no label, say so: "
                f"task.missing='no_labels'; else drop them: data.dropna(subset=[{error.column!r}])",
            ) from None

    def learn(self, targets: pd.DataFrame) -> None:
        self.form.learn(self.complete(targets))
        self.calibration = Calibration.start(self.config)
        found = self.form.encode(self.complete(targets))
        for position, name in enumerate(self.form.names):
            if found[:, position].min() == found[:, position].max():
                value = int(found[0, position])
                raise LabelError(
                    f"label {name!r} is {value} in all {len(found)} rows: there is nothing to "
                    "learn",
                    column=self.form.column_of(position),
                    value=name,
                    remedy="leave it out, or give rows with and rows without it",
                )

    def extend(self, targets: pd.DataFrame) -> None:
        self.form.extend(self.complete(targets))
        self.calibration = Calibration.start(self.config)

    def encode(self, targets: pd.DataFrame) -> dict[str, Any]:
        return {"labels": self.form.encode(self.complete(targets)).astype(np.float32)}

    @property
    def output_dim(self) -> int:
        return len(self.form.names)

    @property
    def info(self) -> Mapping[str, Any]:
        return {"output_dim": self.output_dim, "labels": list(self.form.names)}

    def decode(
        self, outputs: Mapping[str, Any], meta: Mapping[str, Any], options: Any = None
    ) -> Decoded:
        logits = np.asarray(outputs["logits"], dtype=np.float64)
        refuse_broken_outputs(logits)
        proba = _sigmoid(logits / self.calibration.temperature)
        labels = (proba > self.calibration.threshold).astype(np.int8)
        return Decoded(
            answer=self.form.decode(labels),
            views={"labels": labels, "indicators": labels, "proba": proba},
            proba=pd.DataFrame(proba, columns=list(self.form.names)),
            exclusive=False,
        )

    def truth(self, targets: Mapping[str, Any], needs: str) -> Any:
        if needs not in ("labels", "indicators", "proba"):
            refuse_need(needs, "multilabel")
        return np.asarray(targets["labels"]).astype(np.int8)

    def true_answer(self, targets: Mapping[str, Any]) -> pd.DataFrame:
        return self.form.decode(np.asarray(targets["labels"]).astype(np.int8))

    def essential(self, targets: Mapping[str, Any]) -> np.ndarray | None:
        """The first row with each label and the first without it."""
        labels = np.asarray(targets["labels"]) > 0
        rows = np.zeros(len(labels), dtype=bool)
        for having in (labels, ~labels):
            first = having.argmax(axis=0)
            rows[first[having.any(axis=0)]] = True
        return rows

    def calibrate(
        self,
        outputs: Mapping[str, Any],
        meta: Mapping[str, Any],
        targets: Mapping[str, Any],
        score: Callable[[Decoded], float],
    ) -> None:
        logits = np.asarray(outputs["logits"], dtype=np.float64)
        labels = np.asarray(targets["labels"]) > 0
        self.calibration = Calibration.start(self.config)
        self.calibration.fit_temperature(label_nll(logits, labels))
        proba = _sigmoid(logits / self.calibration.temperature)
        self.calibration.fit_threshold(
            proba.ravel(), labels.ravel(), lambda: score(self.decode(outputs, meta))
        )

    def state(self) -> State:
        return State(values={"form": self.form.state(), **self.calibration.state()})

    @classmethod
    def from_state(cls, config: Any, label: Sequence[str], state: State) -> Self:
        task = cls(config, label)
        task.form.restore(state.values["form"])
        task.calibration = Calibration.restored(state.values)
        return task


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities, without overflow."""
    small = np.exp(-np.abs(logits))
    proba: np.ndarray = np.where(logits >= 0, 1.0, small) / (1 + small)
    return proba
