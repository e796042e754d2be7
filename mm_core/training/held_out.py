"""The validation rows: they score a network in training, and calibrate the task after it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mm_core import inference
from mm_core.api.errors import BadCellError, MetricError, MMWarning
from mm_core.api.tasks import Decoded, Task
from mm_core.data.encoded import EncodedFrame
from mm_core.making import Making, size_of
from mm_core.model import NETWORK, Model
from mm_core.processes import is_first
from mm_core.scoring import Metrics, Scorer, short_name
from mm_core.training.limited import EndedError, Limited
from mm_core.training.loop.interrupt import interruptible

FEW_ROWS = 32
"""Whose answers, unlike one another, stand for those of all rows."""

AT_ONCE_BYTES = 64 * 2**20
"""Outputs that are decoded at once to try a metric: of rows with masks, a few rows' only."""

KEPT_BYTES = 2**30
"""Outputs of a validation that are kept to calibrate with; more of them are made a second time."""


@dataclass(frozen=True)
class _Seen:
    """What a network gave for all rows, and which weights it had."""

    weights: np.ndarray
    score: float
    outputs: dict[str, Any]
    meta: dict[str, Any]


@dataclass
class HeldOut:
    """Validation rows, and the model that is scored on them.

    Args:
        model: in training; what it gives changes with its weights.
        rows: with targets.
        metrics: to score them.
        raises: whether an unreadable cell is an error.
    """

    model: Model
    rows: EncodedFrame
    metrics: Metrics
    raises: bool
    _best: _Seen | None = field(default=None, init=False)
    _making: Making = field(init=False)

    def __post_init__(self) -> None:
        self._making = Making(self.model, self.rows, inference.AS_FOUND)

    def check_metric(self) -> None:
        """Whether the metric is defined on these rows, told before an epoch has passed.

        It is tried with one row's outputs for all of them: what rows lack, such as a class, is seen
        with any answers, and in all rows only. The answers are given to the metric part by part, as
        in a validation, and are decoded once: they are the same in each part. Some metrics fail
        where all answers are alike, and are tried with those of a few rows; a user's function may
        fail as it likes: then a pass over all rows decides, the last resort, for the network is not
        on a GPU yet. A user's function that is not defined for the untrained network, but for the
        truth itself, may be so for a better network: the fit begins.

        Raises:
            MetricError: it is not, or a function that it needs is not at hand.
        """
        data = self.model.recipe.data
        self.metrics.check_at_hand(data.validation_metric)
        if _calibrates(self.model.task):
            self.metrics.check_at_hand(data.eval_metric)
        if self.model.runtime != NETWORK:  # it answers when it is fitted
            return
        if not (self._defined_for_answers_of(1) or self._defined_for_answers_of(FEW_ROWS)):
            try:
                self.score()
            except MetricError:
                if not self.metrics.fits_truth(data.validation_metric, self.model.task, self.rows):
                    raise

    def score(self) -> float:
        """The validation metric with the model's present weights.

        Raises:
            BadCellError: cells cannot be read.
            MetricError: it is not defined for the present answers.
        """
        scorer = self._scorer(self.model.recipe.data.validation_metric)
        keeps, size = _calibrates(self.model.task), 0
        seen: list[inference.Window] = []
        bad = list(self.rows.bad)
        for window in inference.windows(self.model, self.rows, making=self._making):
            decoded = self.model.pipeline.decode(window.outputs, window.meta)
            scorer.update(self.rows, window.rows, decoded)
            bad += window.bad
            size += size_of((window.outputs, window.meta)) if keeps else 0
            if size > KEPT_BYTES:  # calibration runs the best network over them once more
                keeps, seen = False, []
            if keeps:
                seen.append(window)
        if bad and self.raises:
            raise BadCellError(dict.fromkeys(bad))
        (score,) = scorer.compute().values()
        if keeps:
            self._remember(score, *inference.whole(seen))
        return score

    def close(self) -> None:
        """Let the processes go that make its batches, where there are any."""
        self._making.close()

    def score_of(self, outputs: Mapping[str, Any], meta: Mapping[str, Any] | None) -> float:
        """The validation metric of these outputs of all rows, in order."""
        return self._scored(self.model.pipeline.decode(dict(outputs), dict(meta or {})))

    def calibrate(self, deadline: float | None = None) -> float | None:
        """Let the task calibrate itself, by the metric that evaluation shows.

        At the deadline and on the first Ctrl-C it is cut short, and a warning says so.

        Args:
            deadline: ``time.monotonic()``, or None.

        Returns:
            Score of that metric on these rows afterwards; None: nothing was calibrated, or the
            metric is not defined, or there was no time left.
        """
        task = self.model.task
        if not _calibrates(task):
            return None
        metric = self.model.recipe.data.eval_metric
        sign = self._sign(metric)
        before = _numbers(task)
        score = Limited(lambda decoded: sign * self._scored_by(metric, decoded), deadline)
        with interruptible(score.interrupt):
            try:
                outputs, meta = self._outputs()
                task.calibrate(outputs, meta, self.rows.targets, score)
            except EndedError as ended:
                if is_first():
                    warnings.warn(
                        f"{ended}: the calibration by {short_name(metric)} was cut short; "
                        f"{_kept(before, _numbers(task))}",
                        MMWarning,
                        stacklevel=2,
                    )
                return None
            try:
                return sign * score(self.model.pipeline.decode(outputs, meta))
            except (EndedError, MetricError):
                return None

    def _defined_for_answers_of(self, few: int) -> bool:
        """Whether the metric is defined where all rows are answered as so many of them are."""
        total = self.rows.n_rows
        some = np.unique(np.linspace(0, total - 1, few).astype(np.int64))
        found = inference.outputs(self.model, self.rows, some)
        few = len(some)
        times = max(1, AT_ONCE_BYTES // max(1, size_of(found)))
        at_once = min(total, few * times)
        scorer = self._scorer(self.model.recipe.data.validation_metric)
        try:
            for start in range(0, total, at_once):
                rows = np.arange(start, min(start + at_once, total))
                if start == 0 or len(rows) < at_once:
                    outputs, meta = (_repeated(values, len(rows)) for values in found)
                    decoded = self.model.pipeline.decode(outputs, meta)
                scorer.update(self.rows, rows, decoded)
            scorer.compute()
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001, a user's function may raise any: all rows decide
            return False
        return True

    def _outputs(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Of all rows: those of the best validation, where its weights are the final ones."""
        best = self._best
        if best is not None and np.array_equal(best.weights, _weights_of(self.model)):
            return best.outputs, best.meta
        return inference.outputs(self.model, self.rows)

    def _remember(self, score: float, outputs: dict[str, Any], meta: dict[str, Any]) -> None:
        sign = self._sign(self.model.recipe.data.validation_metric)
        if self._best is None or sign * score >= sign * self._best.score:
            self._best = _Seen(_weights_of(self.model), score, outputs, meta)

    def _scored(self, decoded: Decoded) -> float:
        return self._scored_by(self.model.recipe.data.validation_metric, decoded)

    def _scored_by(self, metric: str, decoded: Decoded) -> float:
        scorer = self._scorer(metric)
        scorer.update(self.rows, np.arange(self.rows.n_rows), decoded)
        return scorer.compute()[metric]

    def _scorer(self, metric: str) -> Scorer:
        return self.metrics.scorer([metric], self.model.task, self.model.recipe.loss_settings)

    def _sign(self, metric: str) -> float:
        return 1.0 if self.metrics.higher_is_better(metric) else -1.0


def _repeated(rows: Any, total: int) -> Any:
    """An output of some rows, an array [n, ...] or a list, over and over for that many."""
    if isinstance(rows, Mapping):
        return {key: _repeated(value, total) for key, value in rows.items()}
    if isinstance(rows, np.ndarray):
        return rows[np.arange(total) % len(rows)]
    return [rows[place % len(rows)] for place in range(total)]


def _numbers(task: Task) -> dict[str, float]:
    """What a task has learned that one number says."""
    values = task.state().values.items()
    return {name: value for name, value in values if type(value) in (int, float)}


def _kept(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """What a calibration that was cut short has found, and what is as without it."""
    found = [f"{name} {after[name]:.4g}" for name in after if after[name] != before.get(name)]
    left = [f"{name} {after[name]:.4g}" for name in after if after[name] == before.get(name)]
    kept = f"kept of it: {', '.join(found)}" if found else "nothing of it is kept"
    return kept + (f"; as without it: {', '.join(left)}" if left else "")


def _calibrates(task: Task) -> bool:
    return type(task).calibrate is not Task.calibrate


def _weights_of(model: Model) -> np.ndarray:
    """By which a network's weights are known again; other engines are fitted once."""
    if model.runtime != NETWORK:
        return np.zeros(0, np.int64)
    from mm_core.training.loop.fingerprint import fingerprint

    return fingerprint(model.topology)
