"""A network that learns what a saved model says of rows, beside their labels. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mm_core.api import ConfigError, FitJob, FitResult, Fitter
from mm_core.api.tools import installed, load_model, outputs
from mm_ensemble.configs import DistilledConfig
from mm_ensemble.votes import Votes, check_has_mean

_UNUSED = ("mixup", "cutmix")


class Distilled(Fitter):
    """The core's loop, with a loss that is partly the distance from the teacher's answers."""

    config: DistilledConfig

    def fit(self, job: FitJob) -> FitResult:
        """The teacher answers all training rows once; new networks learn from the labels first.

        Raises:
            ConfigError: the task's answers are no probabilities or numbers, or the teacher's are
                of other classes; a setting that would not be used.
        """
        check_has_mean(job)
        _refuse_unused(job)
        truth, kind = self._taught(job)
        job.train_new_first()
        topology = job.model.topology
        own: Callable[[Any, Any], Tensor] = topology.loss
        share, temperature = self.config.share, self.config.temperature

        def loss(found: Any, batch: Any) -> Tensor:
            wanted = truth.to(found["logits"].device)[batch.row_ids]
            distance = _distance(found["logits"], wanted, kind, temperature)
            if batch.weight is not None:
                distance = distance * batch.weight / batch.weight.mean().clamp_min(1e-12)
            return (1 - share) * own(found, batch) + share * distance.mean()

        topology.loss = loss
        try:
            return job.train_network(topology, job.batches())
        finally:
            del topology.loss  # the class's own is there again

    def _taught(self, job: FitJob) -> tuple[Tensor, str]:
        """float32 [N, D]: what the teacher says of the training rows, as the network is to say it;
        and what these are (:class:`mm_ensemble.votes.Votes`)."""
        teacher, _ = load_model(Path(self.config.teacher), installed())
        mine, its = job.model.recipe, teacher.recipe
        if (mine.task.id, mine.data.label) != (its.task.id, its.data.label):
            raise ConfigError(
                f"the teacher answers {', '.join(its.data.label)} by {its.task.id}, and this model "
                f"is to answer {', '.join(mine.data.label)} by {mine.task.id}",
                plugin="ensemble:distilled",
                value=self.config.teacher,
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
                plugin="ensemble:distilled",
                value=self.config.teacher,
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
                f"training.{name} is set, and ensemble:distilled has none",
                plugin="ensemble:distilled",
                value=name,
                remedy="leave it out",
            )
