"""Scores: metrics by id over a task's answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mm_core.api.contracts import Decoded, Task
from mm_core.api.errors import MetricError
from mm_core.api.specs import MetricSpec
from mm_core.data.encoded import EncodedFrame
from mm_core.plugins.registry import Registry
from mm_core.recipe.resolve import CUSTOM_METRIC

Custom = Callable[[Any, Any], float]
"""A user's metric: (true labels, predicted labels) -> float, greater is better."""


def score(
    metric: str,
    task: Task,
    frame: EncodedFrame,
    decoded: Decoded,
    registry: Registry,
    custom: Mapping[str, Custom] | None = None,
) -> float:
    """The score of one metric, by id or ``"custom:<name>"``, on a frame with targets.

    Raises:
        MetricError: the metric is not defined on these rows, or a custom one is not at hand.
    """
    if metric.startswith(CUSTOM_METRIC):
        return _custom_score(metric, frame, decoded, custom or {})
    component = registry.get(MetricSpec, metric)
    spec = component.spec
    if spec.needs not in decoded.views:
        raise MetricError(
            f"metric {metric} needs {spec.needs}, which this task does not give",
            value=metric,
            remedy=f"it gives {', '.join(decoded.views)}",
        )
    run = component.load()()
    run.update(task.truth(frame.targets, spec.needs), decoded.views[spec.needs])
    return float(run.compute())


def higher_is_better(metric: str, registry: Registry) -> bool:
    """Direction of a metric; custom ones count as greater is better."""
    if metric.startswith(CUSTOM_METRIC):
        return True
    spec = registry.get(MetricSpec, metric).spec
    return spec.higher_is_better


def _custom_score(
    metric: str, frame: EncodedFrame, decoded: Decoded, custom: Mapping[str, Custom]
) -> float:
    function = custom.get(metric)
    if function is None or frame.labels is None:
        raise MetricError(
            f"{metric} is a function of the session that trained the model and was not saved",
            value=metric,
            remedy="pass it again: evaluate(data, metrics=[my_function])",
        )
    truth, answer = (
        labels.to_numpy().squeeze(axis=1) if labels.shape[1] == 1 else labels.to_numpy()
        for labels in (frame.labels, decoded.answer)
    )
    return float(function(truth, answer))
