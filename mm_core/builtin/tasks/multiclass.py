"""Classification into any number of classes, in sorted order."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mm_core.builtin.tasks.classification import Classification
from mm_core.builtin.tasks.labels import class_values, label_column


class Multiclass(Classification):
    """One of several classes; those that further training brings stand after the first ones."""

    def order(self, classes: list[Any]) -> list[Any]:
        return classes

    def is_order(self, classes: list[Any]) -> bool:
        return len(set(classes)) == len(classes)

    def extend(self, targets: pd.DataFrame) -> None:
        super().extend(targets)
        values, kind = class_values(label_column(self, targets))
        if kind == self.kind:  # else encode tells which labels are unknown
            known = set(self.classes)
            new = [one for one in sorted(pd.unique(values).tolist()) if one not in known]
            self.classes = [*self.classes, *new]
