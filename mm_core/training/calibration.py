"""After training: how outputs are read is set right on the validation rows."""

from __future__ import annotations

from mm_core import inference
from mm_core.api.contracts import Decoded, Task
from mm_core.data.encoded import EncodedFrame
from mm_core.model import Model
from mm_core.scoring import Metrics


def calibrate(model: Model, rows: EncodedFrame, metrics: Metrics) -> None:
    """Let the task calibrate itself, by the metric that evaluation shows.

    Args:
        model: with its final weights.
        rows: for validation, with targets.
        metrics: to score them.
    """
    if type(model.task).calibrate is Task.calibrate:
        return  # spares a pass over the rows
    metric = model.recipe.data.eval_metric
    sign = 1.0 if metrics.higher_is_better(metric) else -1.0
    outputs, meta, _ = inference.outputs(model, rows)

    def score(decoded: Decoded) -> float:
        return sign * metrics.score(metric, model.task, rows, decoded)

    model.task.calibrate(outputs, meta, rows.targets, score)
