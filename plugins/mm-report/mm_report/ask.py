"""The model as a function: rows in, one number a row out."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api import (
    BadCell,
    BadCellError,
    ConfigError,
    Decoded,
    MMWarning,
    Table,
    TaskSpec,
    suggest,
    tools,
)


def evenly(n: int, most: int) -> np.ndarray:
    """Positions of at most ``most`` of n rows, spread over all of them."""
    return np.unique(np.linspace(0, n - 1, min(most, n)).astype(int))


class Asked:
    """A model that is asked about changed rows.

    Args:
        predictor: with a model.
        on_error: what is done about cells that cannot be read: ``"raise"`` or ``"missing"``.

    Raises:
        ConfigError: ``on_error`` is something else.
    """

    def __init__(self, predictor: Any, on_error: str = "raise") -> None:
        if on_error not in ("raise", "missing"):
            raise ConfigError(
                f"on_error={on_error!r}", value=on_error, remedy="use 'raise' or 'missing'"
            )
        self.model = tools.model_of(predictor)
        self.registry = tools.registry_of(predictor)
        task = self.registry.get(TaskSpec, self.model.recipe.task.id)
        self._options = task.read({}, where="", attribute="options")
        self._on_error = on_error

    def __call__(self, table: Table) -> Decoded:
        """Answers in the order of the rows.

        Raises:
            BadCellError: a cell cannot be read.
        """
        return self.answers(table)[0]

    def answers(self, table: Table) -> tuple[Decoded, list[BadCell]]:
        """The same, and the cells that were taken as missing.

        Raises:
            BadCellError: a cell cannot be read.
        """
        with warnings.catch_warnings():
            # Of cells that are missing because they were left out, and of strange ones put in.
            warnings.simplefilter("ignore", MMWarning)
            known = tools.aligned(self.model, table, self.registry)
            outputs, meta, bad = tools.outputs(self.model, known, options=self._options)
        if bad and self._on_error == "raise":
            raise BadCellError(bad)
        return self.model.pipeline.decode(outputs, meta, self._options), bad


@dataclass(frozen=True)
class Target:
    """The number of each row that is explained.

    Attributes:
        columns: int [N], the column of the probabilities; None: the answer, a number.
        names: [N], the class or label of each row, or the label's name.
    """

    columns: np.ndarray | None
    names: list[Hashable]

    @classmethod
    def of(cls, found: Decoded, wanted: Hashable | None, task: str) -> Target:
        """The class that was asked for, or the likeliest of each row; or the number.

        Raises:
            ConfigError: no such class, or a task that answers with neither.
        """
        if found.proba is None:
            return cls._number(found, wanted, task)
        classes = list(found.proba.columns)
        if wanted is None:
            likeliest = found.proba.to_numpy().argmax(axis=1)
            return cls(likeliest, [classes[one] for one in likeliest])
        by_text = {str(name): position for position, name in enumerate(classes)}
        if str(wanted) not in by_text:
            near = suggest(str(wanted), list(by_text))
            raise ConfigError(
                f"there is no class or label {wanted!r}",
                value=wanted,
                remedy=f"did you mean {near!r}?" if near else f"there are: {', '.join(by_text)}",
            )
        position = by_text[str(wanted)]
        n = len(found.proba)
        return cls(np.full(n, position), [classes[position]] * n)

    @classmethod
    def _number(cls, found: Decoded, wanted: Hashable | None, task: str) -> Target:
        one = found.answer.shape[1] == 1
        if not one or not pd.api.types.is_numeric_dtype(found.answer.iloc[:, 0]):
            raise ConfigError(
                f"answers of {task} are neither probabilities nor one number: there is nothing "
                "to add up",
                plugin="report:explain",
                value=task,
                remedy="explain works for classes, labels and numbers",
            )
        if wanted is not None:
            raise ConfigError(
                f"of={wanted!r}: {task} answers with a number and has no classes",
                value=wanted,
                remedy="leave of out",
            )
        name = found.answer.columns[0]
        return cls(None, [name] * len(found.answer))

    def take(self, rows: np.ndarray) -> Target:
        """Those of some rows, which may be repeated."""
        columns = None if self.columns is None else self.columns[rows]
        return Target(columns, [self.names[row] for row in rows])

    def values(self, found: Decoded) -> np.ndarray:
        """float64 [N]."""
        if self.columns is None or found.proba is None:
            return found.answer.iloc[:, 0].to_numpy(dtype=np.float64)
        proba = found.proba.to_numpy(dtype=np.float64)
        return proba[np.arange(len(proba)), self.columns]
