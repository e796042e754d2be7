"""A network that learns what a saved model says of rows, beside their labels. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mm_core.api import ConfigError, FitJob, FitResult, Fitter
from mm_core.api.tools import Model, outputs
from mm_ensemble.configs import DistilledConfig
from mm_ensemble.teaching import FITTER, lesson_of
from mm_ensemble.votes import Votes, check_has_mean

_UNUSED = ("mixup", "cutmix")


class Distilled(Fitter):
    """The core's loop, with a loss that is partly the distance from the teacher's answers.

    The other part is the recipe's loss of the labels, and of labels alone: what the teacher said of
    a row is what is to be said of it, and not a sample of what happens. By the loss of a quantile,
    it would be the quantile of the quantiles.
    """

    config: DistilledConfig

    def fit(self, job: FitJob) -> FitResult:
        """The teacher answers all training rows once; new networks learn from the labels first.

        Raises:
            ConfigError: the task's answers are no probabilities or numbers, or the teacher's are
                of other classes; a setting that would not be used.
        """
        check_has_mean(job)
        _refuse_unused(job)
        lesson = lesson_of(self.config.teacher)
        share, temperature = self.config.share, self.config.temperature
        if lesson.answered and not share:
            raise ConfigError(
                f"of {lesson.answered} rows without labels nothing would be learned: the teacher's "
                "answers have no share of the loss",
                plugin=FITTER,
                value=share,
                remedy="set fit.share above 0, or leave these rows out",
            )
        truth, kind = _taught(job, lesson.teacher)
        labelled = torch.arange(len(truth)) < len(truth) - lesson.answered
        job.train_new_first()
        topology = job.model.topology
        own: Callable[[Any, Any], Tensor] = topology.loss

        def loss(found: Any, batch: Any) -> Tensor:
            rows, device = batch.row_ids, found["logits"].device
            weight = torch.ones(len(rows), device=device) if batch.weight is None else batch.weight
            distance = _distance(found["logits"], truth.to(device)[rows], kind, temperature)
            known = labelled.to(device)[rows]
            of_labels = own(found, replace(batch, weight=weight * known))
            return (1 - share) * of_labels + share * (distance * weight).mean()

        topology.loss = loss
        try:
            return job.train_network(topology, job.batches())
        finally:
            del topology.loss  # the class's own is there again


def _taught(job: FitJob, teacher: Model) -> tuple[Tensor, str]:
    """float32 [N, D]: what the teacher says of the training rows, as the network is to say it;
    and what these are (:class:`mm_ensemble.votes.Votes`)."""
    mine, its = job.model.recipe, teacher.recipe
    if (mine.task.id, mine.data.label) != (its.task.id, its.data.label):
        raise ConfigError(
            f"the teacher answers {', '.join(its.data.label)} by {its.task.id}, and this model "
            f"is to answer {', '.join(mine.data.label)} by {mine.task.id}",
            plugin=FITTER,
            value=its.task.id,
            remedy="name the label and the task of the teacher",
        )
    raw, meta, _ = outputs(teacher, job.train.table)
    decoded = teacher.pipeline.decode(raw, meta)
    if decoded.proba is None:
        values = job.model.task.encode(decoded.answer)["value"]
        return torch.as_tensor(np.asarray(values, np.float32)).reshape(-1, 1), "number"
    width = job.model.task.output_dim
    empty = Votes(np.full((1, width), 1 / width), "classes").logits
    classes = list(job.model.pipeline.decode({"logits": empty}, {}).proba.columns)
    if set(classes) != set(decoded.proba.columns):
        raise ConfigError(
            f"the teacher knows {list(decoded.proba.columns)}, these rows {classes}",
            plugin=FITTER,
            value=list(decoded.proba.columns),
            remedy="give rows of all classes that the teacher learned",
        )
    found = decoded.proba[classes].to_numpy(dtype=np.float32)
    return torch.as_tensor(found.copy()), "classes" if decoded.exclusive else "labels"


def _distance(logits: Tensor, wanted: Tensor, kind: str, temperature: float) -> Tensor:
    """[B], in logits as the network gives them; softer by the temperature (Hinton et al. 2015)."""
    if kind == "number":
        return functional.mse_loss(logits, wanted, reduction="none").mean(dim=1)
    if kind == "labels":
        return functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(
            dim=1
        )
    softer = torch.softmax(wanted.clamp_min(1e-8).log() / temperature, dim=1)
    said = torch.log_softmax(logits / temperature, dim=1)
    return temperature**2 * -(softer * said).sum(dim=1)


def _refuse_unused(job: FitJob) -> None:
    recipe = job.model.recipe
    for name in _UNUSED:
        if getattr(recipe.training, name) and recipe.origin(f"training.{name}") == "user":
            raise ConfigError(
                f"training.{name} is set, and {FITTER} has none",
                plugin=FITTER,
                value=name,
                remedy="leave it out",
            )
