"""``Vectors``: the answer is a row's vector itself. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from mm_core.api import Decoded, MetricError, State, Task


class Vectors(Task):
    """Columns ``v0``, ``v1``, ...: numbers of a vector, float32 unless ``dtype`` says otherwise."""

    def learn(self, targets: pd.DataFrame) -> None:
        """Nothing."""

    def encode(self, targets: pd.DataFrame) -> dict[str, Any]:
        """Nothing."""
        return {}

    @property
    def output_dim(self) -> int:
        """There is no head."""
        return 1

    def decode(
        self, outputs: Mapping[str, Any], meta: Mapping[str, Any], options: Any = None
    ) -> Decoded:
        """The features."""
        kind = getattr(options, "dtype", "float32")
        features = np.asarray(outputs["features"]).astype(kind)
        names = [f"v{place}" for place in range(features.shape[1])]
        return Decoded(pd.DataFrame(features, columns=names), views={"features": features})

    def truth(self, targets: Mapping[str, Any], needs: str) -> Any:
        """There is none; what is scored is how vectors lie among themselves."""
        if needs == "features":
            return None
        raise MetricError(
            "vectors have no truth to be scored by",
            value=needs,
            remedy="evaluate a task that has labels, such as few_shot_classification",
        )

    def state(self) -> State:
        """Nothing was learned."""
        return State()

    @classmethod
    def from_state(cls, config: Any, label: Sequence[str], state: State) -> Self:
        """The task again."""
        return cls(config, label)
