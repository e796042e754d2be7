"""What models say of rows, and the mean of it. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from mm_core.api import BadCell, ConfigError, RunSettings, Table
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
    raise ConfigError(
        f"answers of {model.recipe.task.id} have no mean: they are {', '.join(found)}",
        plugin="bag:bag",
        value=model.recipe.task.id,
        remedy="choose another fitter: fit=core:finetune",
    )


def mean(votes: Sequence[Votes]) -> Votes:
    """Of several models on the same rows."""
    return replace(votes[0], values=np.mean([one.values for one in votes], axis=0))
