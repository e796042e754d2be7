"""What models say of rows, and the mean of it. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mm_core.api import BadCell, ConfigError, FitJob, MMError, RunSettings, Table
from mm_core.api.tools import Model, outputs

Array = npt.NDArray[Any]

_LEAST = 1e-12
"""Of a probability: its logarithm is a number."""


@dataclass(frozen=True)
class Votes:
    """What a model, or several, say of rows.

    Attributes:
        values: float64 [N, D]: probabilities, or a number as the task scales it.
        kind: what they are: of ``"classes"``, of which a row has one; of ``"labels"``, each for
            itself; a ``"number"``.
    """

    values: Array
    kind: Literal["classes", "labels", "number"]

    @property
    def columns(self) -> Array:
        """float64 [N, K], for who reads them: of two classes the second one's probability."""
        two = self.kind == "classes" and self.values.shape[1] == 2
        return self.values[:, 1:] if two else self.values

    @property
    def logits(self) -> Array:
        """float32 [N, D], as the task decodes them."""
        sure = np.clip(self.values, _LEAST, 1 - _LEAST)
        if self.kind == "classes":
            return np.asarray(np.log(sure), dtype=np.float32)
        if self.kind == "labels":
            return np.asarray(np.log(sure / (1 - sure)), dtype=np.float32)
        return self.values.astype(np.float32)


def votes_of(model: Model, table: Table, settings: RunSettings) -> tuple[Votes, list[BadCell]]:
    """What a model says of rows, and cells that it could not read.

    Raises:
        ConfigError: its outputs are no such thing.
    """
    found, meta, bad = outputs(model, table, settings)
    decoded = model.pipeline.decode(found, meta)
    if decoded.proba is not None:
        values = decoded.proba.to_numpy(dtype=np.float64)
        return Votes(values, "classes" if decoded.exclusive else "labels"), bad
    if set(found) == {"logits"}:
        return Votes(np.asarray(found["logits"], dtype=np.float64), "number"), bad
    raise _no_mean(model.recipe.task.id)


def mean(votes: Sequence[Votes], weights: Sequence[float] | None = None) -> Votes:
    """Of several models on the same rows.

    Args:
        votes: of each.
        weights: of each, not all of them 0; None: they count alike.
    """
    values = np.average([one.values for one in votes], axis=0, weights=weights)
    return replace(votes[0], values=values)


def check_has_mean(job: FitJob) -> None:
    """Refuse, before anything is fitted, a task whose answers have no mean.

    Raises:
        ConfigError: it does not read logits, or says other probabilities than it was given.
    """
    task = job.model.recipe.task.id
    width = getattr(job.model.task, "output_dim", None)
    if width is None:
        raise _no_mean(task)
    values = np.random.default_rng(0).dirichlet(np.ones(width), size=3)
    for kind in ("classes", "labels"):
        try:
            found = job.model.pipeline.decode({"logits": Votes(values, kind).logits}, {}).proba
        except (MMError, LookupError, TypeError, ValueError) as error:
            raise _no_mean(task) from error
        if found is None or (found.shape == values.shape and np.allclose(found, values, atol=1e-4)):
            return
    raise _no_mean(task)


def _no_mean(task: str) -> ConfigError:
    return ConfigError(
        f"answers of {task} have no mean that it could read: no probabilities, no numbers",
        plugin="ensemble",
        value=task,
        remedy="choose another fitter: fit=core:finetune",
    )
