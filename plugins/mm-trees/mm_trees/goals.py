"""What the trees are to learn: which target, by which loss, in how many models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mm_core.api import ConfigError, FitJob
from mm_trees.features import Array
from mm_trees.losses import LOSSES


@dataclass(frozen=True)
class Goal:
    """What one fit learns.

    Attributes:
        target: name of the task's target.
        loss: ``"binary"``, ``"multiclass"``, ``"mse"``, ``"mae"``, ``"huber"`` or ``"quantile"``.
        outputs: width of the logits.
        models: how many; each label of several has one of its own.
        setting: ``delta`` of huber, ``level`` of quantile.
    """

    target: str
    loss: str
    outputs: int
    models: int = 1
    setting: float | None = None

    def truth(self, targets: Mapping[str, Array], model: int) -> Array:
        """[N] what a model learns: classes, numbers, or 0 and 1 of one label."""
        found: Array = targets[self.target]
        return found[:, model] if self.target == "labels" else found


def goal_of(job: FitJob, plugin: str) -> Goal:
    """The goal of a job.

    Raises:
        ConfigError: a loss that trees do not know, or settings of one that they cannot keep.
    """
    recipe, outputs = job.model.recipe, job.model.task.output_dim
    loss = recipe.training.loss
    if loss is None or loss.id not in LOSSES:
        said = (
            f"{recipe.task.id} has a loss of its own" if loss is None else f"the loss is {loss.id}"
        )
        raise ConfigError(
            f"{said}, and {plugin} trains by {', '.join(LOSSES)}",
            plugin=plugin,
            value=None if loss is None else loss.id,
            remedy="choose one of them: training.loss, or another fitter: fit=core:finetune",
        )
    settings = dict(loss.config)
    if settings.get("label_smoothing"):
        raise ConfigError(
            f"training.loss.label_smoothing={settings['label_smoothing']}: {plugin} learns labels "
            "as they are",
            plugin=plugin,
            value=settings["label_smoothing"],
            remedy="leave it out, or choose another fitter: fit=core:finetune",
        )
    target, name = LOSSES[loss.id]
    if name == "classes":
        return Goal(target, "binary" if outputs == 2 else "multiclass", outputs)
    if name == "labels":
        return Goal(target, "binary", outputs, models=outputs)
    return Goal(target, name, outputs, setting=settings.get("delta", settings.get("level")))
