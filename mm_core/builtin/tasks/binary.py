"""Binary classification: index 1 is the positive class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api.errors import LabelError
from mm_core.api.processors import State
from mm_core.api.tasks import Decoded
from mm_core.builtin.tasks.classification import Classification
from mm_core.builtin.tasks.labels import class_values


class Binary(Classification):
    """One of two classes; ``config.positive`` says which is positive, else the later in order.

    It is answered where its probability is above the threshold.
    """

    def order(self, classes: list[Any]) -> list[Any]:
        if len(classes) != 2:
            raise LabelError(
                f"label {self.label[0]!r} has {len(classes)} classes, and a binary task has two",
                column=self.label[0],
                value=classes[2],
                remedy="use problem_type='multiclass'",
            )
        positive = self.config.positive
        if positive is None:
            return classes
        if positive not in classes:
            raise LabelError(
                f"the positive class {positive!r} does not occur in label {self.label[0]!r}",
                column=self.label[0],
                value=positive,
                remedy=f"task.positive must be {classes[0]!r} or {classes[1]!r}",
            )
        return sorted(classes, key=lambda one: bool(one == positive))

    @property
    def positive_class(self) -> Any:
        return self.classes[1] if self.classes else None

    @classmethod
    def decided(cls, config: Any, labels: pd.DataFrame) -> Mapping[str, tuple[Any, str]]:
        if config.positive is not None or labels.shape[1] != 1:
            return {}
        try:
            values, _ = class_values(labels.iloc[:, 0].dropna())
        except LabelError:
            return {}
        classes = sorted(pd.unique(values).tolist())
        if len(classes) != 2:
            return {}
        return {"positive": (classes[1], f"label: the later of {classes[0]!r} and {classes[1]!r}")}

    def choose(self, proba: np.ndarray) -> np.ndarray:
        return (proba[:, 1] > self.calibration.threshold).astype(np.int64)

    def calibrate(
        self,
        outputs: Mapping[str, Any],
        meta: Mapping[str, Any],
        targets: Mapping[str, Any],
        score: Callable[[Decoded], float],
    ) -> None:
        super().calibrate(outputs, meta, targets, score)
        proba = self.decode(outputs, meta).views["proba"][:, 1]
        positive = np.asarray(targets["class"]) == 1
        self.calibration.fit_threshold(proba, positive, lambda: score(self.decode(outputs, meta)))

    def state(self) -> State:
        state = super().state()
        return State(state.values | {"threshold": self.calibration.threshold})
