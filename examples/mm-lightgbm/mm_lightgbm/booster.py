"""Trees that answer. Imports LightGBM and numpy, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from mm_core.api import ArtifactError, Batch, Engine, EngineContext, RunSettings

from mm_lightgbm.features import matrix

FILE = "trees.txt"

Array = npt.NDArray[Any]


def logits(raw: Any, outputs: int) -> Array:
    """float32 [N, outputs] from LightGBM's raw scores [N] or [N, outputs].

    Of two classes it has the score of the second; the other's is 0.
    """
    scores = np.asarray(raw, dtype=np.float32).reshape(len(raw), -1)
    if scores.shape[1] == 1 and outputs == 2:
        scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
    return scores


class TreeEngine(Engine):
    """Logits of boosted trees.

    Args:
        model: LightGBM's model file, as text.
        outputs: width of the logits.
    """

    def __init__(self, model: str, outputs: int) -> None:
        self._booster = lgb.Booster(model_str=model)
        self._model = model
        self._outputs = outputs

    def batch_size(self, trained: int, settings: RunSettings) -> int:
        """Many: a call costs more than a row."""
        return settings.batch_size or 4096

    def run(self, batch: Batch, options: Any, settings: RunSettings) -> dict[str, Any]:
        """``logits`` float32 [B, D]."""
        return {
            "logits": logits(self._booster.predict(matrix(batch), raw_score=True), self._outputs)
        }

    def write(self, folder: Path, context: EngineContext, standalone: bool) -> dict[str, Any]:
        """The model file that LightGBM reads anywhere."""
        (folder / FILE).write_text(self._model, encoding="utf-8")
        return {"outputs": self._outputs}

    @classmethod
    def read(cls, folder: Path, values: Mapping[str, Any], context: EngineContext) -> Self:
        """From the model file.

        Raises:
            ArtifactError: it is none, or has other outputs than were saved.
        """
        outputs = int(values["outputs"])
        try:
            engine = cls((folder / FILE).read_text(encoding="utf-8"), outputs)
        except lgb.basic.LightGBMError as error:
            raise ArtifactError(f"{FILE} is no model of LightGBM: {error}", value=FILE) from error
        trees = engine._booster.num_model_per_iteration()
        if trees != (1 if outputs == 2 else outputs):
            raise ArtifactError(f"{FILE} gives {trees} outputs, not {outputs}", value=FILE)
        return engine
