"""``Similarity``: cosines of two sides. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from mm_core.api import Config, Decoded, MetricError, State, Task

if TYPE_CHECKING:
    from torch import Tensor


class Similarity(Task):
    """There are no labels and no targets: which rows are pairs is all there is to learn from.

    Reads ``sides`` [N, 2, D], what the topology gives: two vectors of length 1 a row, zeros for a
    side that is not there. Its one answer is ``similarity``, the cosine; missing where a side is.
    """

    def learn(self, targets: pd.DataFrame) -> None:
        """Nothing."""

    def encode(self, targets: pd.DataFrame) -> dict[str, Any]:
        """Nothing: the pairs are the rows."""
        return {}

    @property
    def output_dim(self) -> int:
        """One cosine."""
        return 1

    def loss(self, logits: Tensor, targets: Mapping[str, Any], weight: Tensor | None) -> Tensor:
        """Cross entropy over candidates: ``logits`` [B, C], -inf for one that is not asked about,
        and ``targets["own"]`` int [B], the right one. The topology makes both from a batch.
        """
        from torch.nn import functional

        losses = functional.cross_entropy(logits, targets["own"], reduction="none")
        return losses.mean() if weight is None else (losses * weight).mean()

    def decode(
        self, outputs: Mapping[str, Any], meta: Mapping[str, Any], options: Any = None
    ) -> Decoded:
        """A cosine a row; the view ``sides`` for metrics."""
        sides = np.asarray(outputs["sides"], dtype=np.float32)
        cosine = (sides[:, 0] * sides[:, 1]).sum(axis=1)
        both = np.all(np.any(sides, axis=2), axis=1)
        answer = pd.DataFrame({"similarity": np.where(both, cosine, np.nan)})
        return Decoded(answer, views={"sides": sides})

    def truth(self, targets: Mapping[str, Any], needs: str) -> Any:
        """None: that the sides of a row belong together is what the metrics know."""
        if needs != "sides":
            raise MetricError(f"there are no {needs} to score", value=needs)

    def state(self) -> State:
        """Nothing was learned."""
        return State()

    @classmethod
    def from_state(cls, config: Config, label: Sequence[str], state: State) -> Self:
        """The task again."""
        return cls(config, label)
