"""What is asked of a network: classes, or which number of a distribution. Light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mm_core.api import ConfigError, FitJob
from mm_tabicl.configs import InContextConfig

LOSSES = {
    "core:cross_entropy": "classes",
    "core:mse": "mean",
    "core:mae": "median",
    "core:quantile": "quantiles",
}
"""Loss of the recipe -> what has the smallest one in expectation, as TabICL calls it."""


@dataclass(frozen=True)
class Asked:
    """What is asked, and how; JSON-able.

    Attributes:
        answer: ``"classes"``, ``"mean"``, ``"median"`` or ``"quantiles"``.
        outputs: width of the logits.
        level: of the quantile.
        estimators: views of the table.
        batch_size: views at once.
        temperature: of the softmax.
        seed: of the orders of columns and classes.
        cache: what is kept of the context between batches: ``"none"``, ``"repr"`` or ``"kv"``.
    """

    answer: str
    outputs: int
    level: float | None
    estimators: int
    batch_size: int
    temperature: float
    seed: int
    cache: str

    @property
    def numbers(self) -> bool:
        """Whether the answer is a number."""
        return self.answer != "classes"


def asked_of(job: FitJob, config: InContextConfig) -> Asked:
    """What a fit asks.

    Raises:
        ConfigError: the loss has a setting that nothing would be learned by.
    """
    recipe = job.model.recipe
    loss = recipe.training.loss
    settings: dict[str, Any] = dict(loss.config)
    if settings.get("label_smoothing"):
        raise ConfigError(
            f"training.loss.label_smoothing={settings['label_smoothing']}: nothing is trained, and "
            "labels of the context are taken as they are",
            plugin="tabicl:in_context",
            value=settings["label_smoothing"],
            remedy="leave it out, or choose another fitter: fit=core:finetune",
        )
    return Asked(
        answer=LOSSES[loss.id],
        outputs=job.model.task.output_dim,
        level=settings.get("level"),
        estimators=config.estimators,
        batch_size=config.batch_size,
        temperature=config.temperature,
        seed=recipe.training.seed % 2**32,
        cache=config.cache,
    )
