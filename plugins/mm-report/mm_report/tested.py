"""A model's answers about labelled rows, asked once: what every part of a report looks at."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from mm_core.api import BadCell, ColumnError, Curves, Decoded, MetricError, Table, TaskSpec, tools
from mm_report.ask import Asked


@dataclass(frozen=True)
class Wrongness:
    """How wrong each answer is.

    Attributes:
        values: float [N], greater is worse; NaN where it is not defined.
        what: what the number is, in words.
        shown: what is shown of a row in its place, in words; empty: the same.
        sign: that makes the number of it.
    """

    values: np.ndarray
    what: str
    shown: str = ""
    sign: float = 1.0


class Tested:
    """A model and labelled rows that it has answered.

    Args:
        predictor: with a model.
        data: rows with the label; see :func:`mm_core.api.tools.read_rows`.
        on_error: ``"raise"`` on cells that cannot be read, or take them as ``"missing"``.

    Attributes:
        table: the columns that the model reads, and its labels.
        index: of the rows, the caller's.
        frame: the rows encoded, with targets.
        decoded: the answers.
        bad: cells that could not be read.
        seconds: that answering took.

    Raises:
        ColumnError: a label or a column is not there.
        BadCellError: a cell cannot be read.
    """

    def __init__(self, predictor: Any, data: Any, on_error: str = "raise") -> None:
        self.asked = Asked(predictor, on_error)
        self.model, self.registry = self.asked.model, self.asked.registry
        rows = tools.read_rows(data, self.registry)
        self._need_labels(list(rows.table.frame.columns))
        self.index = rows.index
        self.table: Table = tools.aligned(self.model, rows.table, self.registry)
        self.frame = self.model.pipeline.encode_with_targets(self.table)
        started = time.perf_counter()
        found = self.asked.answers(self.table)
        self.seconds = time.perf_counter() - started
        self.decoded: Decoded = found[0]
        self.bad: list[BadCell] = found[1]
        self.metrics = tools.metrics(self.registry)

    def _need_labels(self, columns: Sequence[str]) -> None:
        lacking = [name for name in self.recipe.data.label if name not in columns]
        if lacking or not self.recipe.data.label:
            name = lacking[0] if lacking else None
            raise ColumnError(
                f"the rows have no column {name!r}: a report compares answers with labels"
                if lacking
                else f"models of {self.recipe.task.id} have no label to compare answers with",
                column=name,
                remedy="give rows with the label, such as those of a test",
            )

    def __len__(self) -> int:
        return len(self.table)

    @property
    def recipe(self) -> Any:
        """That the model was trained by."""
        return self.model.recipe

    @property
    def task(self) -> Any:
        """Learned."""
        return self.model.task

    @cached_property
    def truth(self) -> Any:
        """The labels, written as the answers are: a frame [N]."""
        written = self.task.true_answer(self.frame.targets)
        return (self.frame.labels if written is None else written).reset_index(drop=True)

    @cached_property
    def classes(self) -> list[str]:
        """Names of the columns of probabilities; empty: there are none."""
        proba = self.decoded.proba
        return [] if proba is None else [str(name) for name in proba.columns]

    @cached_property
    def proba(self) -> np.ndarray | None:
        """float64 [N, C], or None."""
        return None if self.decoded.proba is None else self.decoded.proba.to_numpy(np.float64)

    @cached_property
    def form(self) -> str:
        """What answers are: ``"classes"``, ``"labels"``, ``"number"`` or ``"other"``."""
        if self.proba is not None and "proba" in self.decoded.views:
            true = np.asarray(self.task.truth(self.frame.targets, "proba"))
            if self.decoded.exclusive and true.ndim == 1:
                return "classes"
            if not self.decoded.exclusive and true.shape == self.proba.shape:
                return "labels"
        values = self.decoded.views.get("values")
        if isinstance(values, np.ndarray) and values.shape == (len(self),):
            return "number"
        return "other"

    def true(self, view: str) -> np.ndarray:
        """The true counterpart of a view of the answers."""
        return np.asarray(self.task.truth(self.frame.targets, view))

    @cached_property
    def right(self) -> np.ndarray | None:
        """bool [N] of classes, [N, labels] of labels; None: answers are neither."""
        if self.form not in ("classes", "labels") or "labels" not in self.decoded.views:
            return None
        return np.asarray(self.decoded.views["labels"]) == self.true("labels")

    @cached_property
    def wrong(self) -> Wrongness:
        """Of each row."""
        if self.form == "classes":
            assert self.proba is not None
            true = self.true("proba").astype(int)
            return Wrongness(
                1 - self.proba[np.arange(len(self)), true],
                "probability that is not given to the true class",
            )
        if self.form == "labels":
            assert self.proba is not None
            apart = np.abs(self.proba - self.true("proba"))
            return Wrongness(apart.mean(axis=1), "mean distance of the labels' probabilities")
        if self.form == "number":
            apart = np.abs(self.decoded.views["values"] - self.true("values"))
            return Wrongness(apart.astype(np.float64), "distance of answer and truth")
        return self._wrong_by_metric()

    def _wrong_by_metric(self) -> Wrongness:
        """Of each row alone what the eval metric says of it."""
        metric = self.recipe.data.eval_metric
        sign = -1.0 if self.metrics.higher_is_better(metric) else 1.0
        values = np.full(len(self), np.nan)
        for row in range(len(self)):
            found = self.score(metric, np.array([row]))
            if found is not None:
                values[row] = sign * found
        name = tools.short_name(metric)
        shown = f"{name} of the row alone"
        return Wrongness(values, f"{'less ' if sign < 0 else ''}{shown}", shown, sign)

    def taken(self, rows: np.ndarray, decoded: Decoded | None = None) -> Decoded:
        """The answers of some rows, which may be repeated."""
        whole = self.decoded if decoded is None else decoded
        return replace(
            whole,
            answer=whole.answer.iloc[rows],
            views={name: _taken(view, rows) for name, view in whole.views.items()},
            proba=None if whole.proba is None else whole.proba.iloc[rows],
            contributions=None,
        )

    def score(
        self, metric: str, rows: np.ndarray | None = None, decoded: Decoded | None = None
    ) -> float | None:
        """What a metric says; None: it is not defined there.

        Args:
            metric: its id.
            rows: positions, which may be repeated; None: all.
            decoded: answers of these rows; None: those that the model gave.
        """
        rows = np.arange(len(self)) if rows is None else rows
        given = self.taken(rows) if decoded is None else decoded
        value = self._scored(metric, rows, given)[0]
        return value if np.isfinite(value) else None

    @cached_property
    def details(self) -> dict[str, float]:
        """Other numbers that the model's own metric says of all rows, such as ``class.<name>``;
        often none.
        """
        return {} if self._own is None else dict(self._own.details()[self.recipe.data.eval_metric])

    @cached_property
    def curves(self) -> list[Curves]:
        """What the model's own metric has to draw of all rows; often nothing."""
        return [] if self._own is None else self._own.curves()[self.recipe.data.eval_metric]

    @cached_property
    def _own(self) -> Any:
        """The model's own metric, which has taken in all rows; None: it is not defined on them."""
        return self._scored(self.recipe.data.eval_metric, np.arange(len(self)), self.decoded)[1]

    def _scored(self, metric: str, rows: np.ndarray, decoded: Decoded) -> tuple[float, Any]:
        """NaN and None where it is not defined."""
        try:
            scorer = self.metrics.scorer([metric], self.task, self.recipe.loss_settings)
            scorer.update(self.frame, rows, decoded)
            return float(scorer.compute()[metric]), scorer
        except MetricError:
            return float("nan"), None

    def component(self) -> Any:
        """The task's record."""
        return self.registry.get(TaskSpec, self.recipe.task.id)


def _taken(view: Any, rows: np.ndarray) -> Any:
    return view[rows] if isinstance(view, np.ndarray) else [view[row] for row in rows]
