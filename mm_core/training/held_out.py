"""The validation rows: they score a network in training, and calibrate the task after it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mm_core import inference
from mm_core.api.errors import BadCellError, MetricError, MMWarning
from mm_core.api.tasks import Decoded, Task
from mm_core.data.encoded import EncodedFrame
from mm_core.model import NETWORK, Model
from mm_core.processes import is_first
from mm_core.scoring import Metrics, Scorer, short_name
from mm_core.training.interrupt import interruptible
from mm_core.training.limited import EndedError, Limited
from mm_core.training.loop.weights import changing


@dataclass(frozen=True)
class _Seen:
    """What a network gave for all rows, and which weights it had."""

    fingerprint: Tensor
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

    def check_metric(self) -> None:
        """Whether the metric is defined on these rows, told before an epoch has passed.

        It is tried with one row's outputs for all of them: what rows lack, such as a class, is
        seen with any answers. Some metrics fail where all answers are alike, and a user's function
        as it likes; then a pass over all rows decides. A user's function that is not defined for
        the untrained network, but for the truth itself, may be so for a better network: the fit
        begins.

        Raises:
            MetricError: it is not, or a function that it needs is not at hand.
        """
        data = self.model.recipe.data
        self.metrics.check_at_hand(data.validation_metric)
        if _calibrates(self.model.task):
            self.metrics.check_at_hand(data.eval_metric)
        if self.model.runtime != NETWORK:  # it answers when it is fitted
            return
        if not self._defined_for_alike_answers():
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
        calibrates, seen = _calibrates(self.model.task), []
        bad = list(self.rows.bad)
        for window in inference.windows(self.model, self.rows):
            decoded = self.model.pipeline.decode(window.outputs, window.meta)
            scorer.update(self.rows, window.rows, decoded)
            bad += window.bad
            if calibrates:
                seen.append(window)
        if bad and self.raises:
            raise BadCellError(dict.fromkeys(bad))
        (score,) = scorer.compute().values()
        if calibrates:
            self._remember(score, *inference.whole(seen))
        return score

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
        score = Limited(lambda decoded: sign * self._scored_by(metric, decoded), deadline)
        with interruptible(score.interrupt):
            try:
                outputs, meta = self._outputs()
                task.calibrate(outputs, meta, self.rows.targets, score)
            except EndedError as ended:
                if is_first():
                    warnings.warn(
                        f"{ended}: the calibration by {short_name(metric)} was cut short, and what "
                        "it had not found yet is as without it",
                        MMWarning,
                        stacklevel=2,
                    )
                return None
            try:
                return sign * score(task.decode(outputs, meta))
            except (EndedError, MetricError):
                return None

    def _defined_for_alike_answers(self) -> bool:
        outputs, meta = inference.outputs(self.model, self.rows, np.zeros(1, dtype=np.int64))
        alike = [_repeated(values, self.rows.n_rows) for values in (outputs, meta)]
        try:
            self._scored(self.model.pipeline.decode(*alike))
        except Exception:  # noqa: BLE001, a user's function may raise any: all rows decide
            return False
        return True

    def _outputs(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Of all rows: those of the best validation, where its weights are the final ones."""
        best = self._best
        if best is not None and torch.equal(best.fingerprint, _fingerprint(self.model)):
            return best.outputs, best.meta
        return inference.outputs(self.model, self.rows)

    def _remember(self, score: float, outputs: dict[str, Any], meta: dict[str, Any]) -> None:
        sign = self._sign(self.model.recipe.data.validation_metric)
        if self._best is None or sign * score >= sign * self._best.score:
            self._best = _Seen(_fingerprint(self.model), score, outputs, meta)

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


def _repeated(row: Any, times: int) -> Any:
    """An output of one row, an array [1, ...] or a list, as that of many."""
    if isinstance(row, Mapping):
        return {key: _repeated(value, times) for key, value in row.items()}
    return np.repeat(row, times, axis=0) if isinstance(row, np.ndarray) else row * times


def _calibrates(task: Task) -> bool:
    return type(task).calibrate is not Task.calibrate


def _fingerprint(model: Model) -> Tensor:
    """float64 [tensors], the norm of each that training changes: no two steps leave them alike."""
    if model.runtime != NETWORK:
        return torch.zeros(0)  # an engine is fitted once
    values = [value for value in changing(model.topology).values() if value.is_floating_point()]
    norms = torch._foreach_norm(values, dtype=torch.float64)
    return torch.stack([norm.cpu() for norm in norms])
