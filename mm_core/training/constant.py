"""One answer for all rows: what a network that has learned anything is better than."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from mm_core.api.errors import MetricError
from mm_core.api.fitting import FitRows
from mm_core.data.batches import BatchMaker
from mm_core.data.encoded import EncodedFrame
from mm_core.training.held_out import HeldOut

if TYPE_CHECKING:
    from mm_core.training.loop.run import Constant

MOST_ROWS = 10_000
"""Training rows, evenly spread, whose loss stands for that of all."""


def constant_of(train: FitRows, held_out: HeldOut | None) -> Callable[[], Constant | None]:
    """Works it out when it is first asked for.

    None: without validation rows, or where the task has no such answer.
    """

    @cache
    def constant() -> Constant | None:
        from mm_core.training.loop.run import Constant

        if held_out is None:
            return None
        logits = held_out.model.task.constant(train.encoded.targets)
        if logits is None:
            return None
        return Constant(
            _loss(logits, train.encoded, held_out), cache(partial(_score, logits, held_out))
        )

    return constant


def _score(logits: np.ndarray, held_out: HeldOut) -> float:
    outputs = {"logits": np.tile(logits, (held_out.rows.n_rows, 1))}
    try:
        return held_out.score_of(outputs, None)
    except MetricError:  # not defined where all answers are alike
        return math.nan


def _loss(logits: np.ndarray, rows: EncodedFrame, held_out: HeldOut) -> float:
    """Of the training rows, as the task weighs and averages it."""
    import torch

    from mm_core.api.nn import tensors

    some = np.unique(np.linspace(0, rows.n_rows - 1, min(rows.n_rows, MOST_ROWS)).astype(np.int64))
    batch = tensors(BatchMaker({}, rows).make(some))  # of inputs the loss asks nothing
    answer = torch.from_numpy(logits).float().expand(len(some), -1)
    return float(held_out.model.task.loss(answer, batch.targets, batch.weight))
