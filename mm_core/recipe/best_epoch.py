"""Which metric chooses the best epoch."""

from __future__ import annotations

from mm_core.api.specs import LossSpec, TaskSpec
from mm_core.plugins.registry import Component
from mm_core.scoring import Metrics


def default_validation(
    task: Component[TaskSpec], loss: Component[LossSpec] | None, shown: str, metrics: Metrics
) -> tuple[str, str]:
    """Id and origin of the metric taken unless the user names one.

    The loss's comes first: it knows what the answers aim at, be it the task's default or not.

    Args:
        task: the task.
        loss: that it is trained with; None: the task's own.
        shown: id of the metric of evaluation, taken where neither names one.
        metrics: to look names up.

    Raises:
        UnknownComponentError: no such metric.
        ConfigError: it is not defined for the task.
    """
    if loss is not None and loss.spec.validation_metric is not None:
        return metrics.resolve(loss.spec.validation_metric, task, loss), f"loss {loss.id}"
    if task.spec.validation_metric is not None:
        return metrics.resolve(task.spec.validation_metric, task), f"task {task.id}"
    return shown, "data.eval_metric"
