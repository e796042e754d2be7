"""Classification: the base of the tasks with one class per row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from mm_core.api.errors import LabelError
from mm_core.api.processors import State
from mm_core.api.tasks import Decoded, Task
from mm_core.builtin.tasks.calibration import Calibration, class_nll
from mm_core.builtin.tasks.labels import (
    NUMBER_KINDS,
    TYPES,
    Kind,
    class_values,
    label_column,
    positions_among,
    refuse_broken_outputs,
    refuse_need,
    shown,
    warn_of_odd_texts,
)

_DTYPES: dict[Kind, Any] = {"bool": np.bool_, "int": np.int64, "float": np.float64, "str": "str"}


class Classification(Task):
    """Softmax over classes.

    Targets: ``class`` int64 [N], the index of the class. A label of equal value but another number
    type (1, 1.0, True) is the same class; a text is never the same as a number.
    """

    def __init__(self, config: Any, label: Sequence[str]) -> None:
        super().__init__(config, label)
        self.classes: list[Any] = []
        self.kind: Kind = "str"
        self.calibration = Calibration.start(config)

    @abstractmethod
    def order(self, classes: list[Any]) -> list[Any]:
        """The sorted classes in the order of the outputs.

        Raises:
            LabelError: their number does not fit the task.
        """

    def is_order(self, classes: list[Any]) -> bool:
        """Whether these, two or more, are classes in an order that the task can have."""
        return self.order(sorted(classes)) == classes

    def learn(self, targets: pd.DataFrame) -> None:
        column = label_column(self, targets)
        if column.empty:
            raise LabelError(
                f"label {column.name!r} has no rows", column=self.label[0], remedy="give some rows"
            )
        values, self.kind = class_values(column)
        classes = sorted(pd.unique(values).tolist())
        if len(classes) < 2:
            raise LabelError(
                f"label {self.label[0]!r} is {classes[0]!r} in all rows: there is nothing to learn",
                column=self.label[0],
                value=classes[0],
                remedy="give rows of at least two classes",
            )
        self.classes = self.order(classes)
        self.calibration = Calibration.start(self.config)
        if self.kind == "str":
            warn_of_odd_texts(self.label[0], classes, len(values))

    def extend(self, targets: pd.DataFrame) -> None:
        self.calibration = Calibration.start(self.config)  # of weights that change now

    def encode(self, targets: pd.DataFrame) -> dict[str, Any]:
        column = label_column(self, targets)
        if column.empty:
            return {"class": np.zeros(0, dtype=np.int64)}
        values, kind = class_values(column)
        if kind != self.kind and not {kind, self.kind} <= set(NUMBER_KINDS):
            raise self._unseen(column, np.arange(len(column)))
        indices = positions_among(values, self.classes)
        unseen = np.flatnonzero(indices < 0)
        if len(unseen):
            raise self._unseen(column, unseen)
        return {"class": indices}

    @property
    def output_dim(self) -> int:
        return len(self.classes)

    @property
    def info(self) -> Mapping[str, Any]:
        return {"output_dim": self.output_dim, "classes": self.classes}

    def decode(
        self, outputs: Mapping[str, Any], meta: Mapping[str, Any], options: Any = None
    ) -> Decoded:
        logits = np.asarray(outputs["logits"], dtype=np.float64) / self.calibration.temperature
        refuse_broken_outputs(logits)
        proba = np.exp(logits - logits.max(axis=1, keepdims=True))
        proba /= proba.sum(axis=1, keepdims=True)
        labels = self.choose(proba)
        return Decoded(
            answer=self._written(labels),
            views={"labels": labels, "proba": proba},
            proba=pd.DataFrame(proba, columns=self._names),
        )

    def choose(self, proba: np.ndarray) -> np.ndarray:
        """The answers, int64 [N], from probabilities [N, C]."""
        found: np.ndarray = proba.argmax(axis=1)
        return found

    def truth(self, targets: Mapping[str, Any], needs: str) -> Any:
        if needs not in ("labels", "proba"):
            refuse_need(needs, type(self).__name__.lower())
        return targets["class"]

    def true_answer(self, targets: Mapping[str, Any]) -> pd.DataFrame:
        return self._written(targets["class"])

    def constant(self, targets: Mapping[str, Any]) -> np.ndarray | None:
        """Shares of the classes; one that no row has is as likely as half a row."""
        counts = np.bincount(np.asarray(targets["class"]), minlength=self.output_dim)
        shares: np.ndarray = np.maximum(counts, 0.5) / max(1, counts.sum())
        return np.asarray(np.log(shares))

    def strata(self, targets: Mapping[str, Any]) -> np.ndarray | None:
        classes: np.ndarray = targets["class"]
        return classes

    def calibrate(
        self,
        outputs: Mapping[str, Any],
        meta: Mapping[str, Any],
        targets: Mapping[str, Any],
        score: Callable[[Decoded], float],
    ) -> None:
        logits = np.asarray(outputs["logits"], dtype=np.float64)
        self.calibration = Calibration.start(self.config)
        self.calibration.fit_temperature(class_nll(logits, np.asarray(targets["class"])))

    def state(self) -> State:
        values = {"classes": self.classes, "kind": self.kind}
        return State(values | {"temperature": self.calibration.temperature})

    @classmethod
    def from_state(cls, config: Any, label: Sequence[str], state: State) -> Self:
        task = cls(config, label)
        classes, task.kind = state.values["classes"], state.values["kind"]
        wanted = TYPES[task.kind]
        if not isinstance(classes, list) or any(type(one) is not wanted for one in classes):
            raise ValueError(f"classes = {classes!r} are no list of {task.kind}")
        # The same checks as of labels, and no class twice or out of its place.
        values, _ = class_values(pd.Series(classes, dtype=object))
        if len(set(values.tolist())) < 2 or not task.is_order(classes):
            raise ValueError(f"classes = {classes!r} are not two or more, in order")
        task.classes = classes
        task.calibration = Calibration.restored(state.values)
        return task

    @property
    def _names(self) -> pd.Index[Any]:
        names: pd.Index[Any] = pd.Index(self.classes, dtype=_DTYPES[self.kind])
        return names

    def _written(self, classes: np.ndarray) -> pd.DataFrame:
        """The label column from int64 [N], indices of classes."""
        return pd.DataFrame({self.label[0]: self._names.take(classes).array})

    def _unseen(self, column: pd.Series[Any], rows: np.ndarray) -> LabelError:
        value = column.iloc[int(rows[0])]
        value = value.item() if isinstance(value, np.generic) else value
        known = ", ".join(repr(one) for one in self.classes[:20])
        return LabelError(
            f"label {column.name!r} holds {value!r} ({type(value).__name__}) in row(s) "
            f"{shown(rows)}, which is none of the classes of training",
            column=self.label[0],
            rows=rows.tolist(),
            value=value,
            remedy=f"the classes are {known} ({self.kind}); correct or drop those rows, "
            "or train a new model with them",
        )
