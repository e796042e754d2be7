"""Multilabel: any number of labels a row, each answered by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from mm_core.api.errors import LabelError, MetricError
from mm_core.api.processors import State
from mm_core.api.tasks import Decoded, Task
from mm_core.builtin.tasks.calibration import ENOUGH, Calibration, label_nll
from mm_core.builtin.tasks.indicators import Indicators
from mm_core.builtin.tasks.label_sets import LabelSets
from mm_core.builtin.tasks.labels import refuse_broken_outputs, refuse_need
from mm_core.builtin.tasks.thresholds import crossed_thresholds, label_thresholds

Form = Indicators | LabelSets
"""How labels are written: a column for each, or one column of lists."""


class Multilabel(Task):
    """Sigmoid over labels: several columns of 0 and 1, or one column whose cells are lists.

    Targets: ``labels`` float32 [N, L], 0 or 1. A label is answered where its probability is above
    its threshold.

    Attributes:
        thresholds: float64 [L], one for each label (while they are chosen [N, L], one for each
            answer); None: that of the calibration is for all.
    """

    def __init__(self, config: Any, label: Sequence[str]) -> None:
        super().__init__(config, label)
        self.thresholds: np.ndarray | None = None
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
        self._uncalibrated()
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
        self._uncalibrated()

    def encode(self, targets: pd.DataFrame) -> dict[str, Any]:
        return {"labels": self.form.encode(self.complete(targets)).astype(np.float32)}

    @property
    def output_dim(self) -> int:
        return len(self.form.names)

    @property
    def info(self) -> Mapping[str, Any]:
        return {"output_dim": self.output_dim, "labels": list(self.form.names)}

    @property
    def class_labels(self) -> list[Any]:
        return list(self.form.names)

    def decode(
        self, outputs: Mapping[str, Any], meta: Mapping[str, Any], options: Any = None
    ) -> Decoded:
        logits = np.asarray(outputs["logits"], dtype=np.float64)
        refuse_broken_outputs(logits)
        proba = _sigmoid(logits / self.calibration.temperature)
        cut = self.calibration.threshold if self.thresholds is None else self.thresholds
        labels = (proba > cut).astype(np.int8)
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

    def constant(self, targets: Mapping[str, Any]) -> np.ndarray | None:
        """Shares of the labels; one that no row has is as likely as half a row."""
        labels = np.asarray(targets["labels"], np.float64)
        least = 0.5 / max(1, len(labels))
        shares = np.clip(labels.mean(axis=0), least, 1 - least)
        return np.asarray(np.log(shares / (1 - shares)))

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
        self._uncalibrated()
        self.calibration.fit_temperature(label_nll(logits, labels))
        proba = _sigmoid(logits / self.calibration.temperature)
        if self.calibration.searches and min(labels.sum(), (~labels).sum()) >= ENOUGH:
            self._choose_thresholds(proba, labels, lambda: score(self.decode(outputs, meta)))

    def state(self) -> State:
        own = {} if self.thresholds is None else {"thresholds": self.thresholds.tolist()}
        return State(values={"form": self.form.state(), **self.calibration.state(), **own})

    @classmethod
    def from_state(cls, config: Any, label: Sequence[str], state: State) -> Self:
        task = cls(config, label)
        task.form.restore(state.values["form"])
        task.calibration = Calibration.restored(state.values)
        if "thresholds" in state.values:  # models of before have one for all
            own = np.array(state.values["thresholds"], dtype=np.float64)
            if own.shape != (task.output_dim,) or not ((own >= 0) & (own <= 1)).all():
                raise ValueError(f"thresholds = {own!r} are not one between 0 and 1 for each label")
            task.thresholds = own
        return task

    def _uncalibrated(self) -> None:
        self.calibration, self.thresholds = Calibration.start(self.config), None

    def _choose_thresholds(
        self, proba: np.ndarray, labels: np.ndarray, score: Callable[[], float]
    ) -> None:
        """Take the labels' own thresholds where they win over 0.5 on rows they were not chosen on.

        Not for a metric that likes it as well where all labels are answered, or none (recall).
        """

        def at(thresholds: np.ndarray) -> float:
            self.thresholds = thresholds
            try:
                return score()
            except MetricError:
                return -np.inf

        try:
            own = at(crossed_thresholds(proba, labels))
            wins = all(own > at(np.full(proba.shape, other)) for other in (0.5, 0.0, 1.0))
        finally:
            self.thresholds = None
        if wins:
            self.thresholds = label_thresholds(proba, labels)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities, without overflow."""
    small = np.exp(-np.abs(logits))
    proba: np.ndarray = np.where(logits >= 0, 1.0, small) / (1 + small)
    return proba
