"""LightGBM's models as engine. Imports LightGBM and numpy, no torch."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np

from mm_core.api import ArtifactError
from mm_trees.engine import TreesEngine
from mm_trees.features import MISSING, Array, Features


def matrix(rows: Features) -> Array:
    """float64 [N, F]: numbers, then codes, NaN where missing.

    Codes of categories that training did not have (1) are in no split's set of categories, and go
    where the others go.
    """
    codes = np.where(rows.codes == MISSING, np.nan, rows.codes)
    return np.concatenate([rows.numbers, codes], axis=1, dtype=np.float64)


class LightGBMEngine(TreesEngine):
    """Logits of LightGBM's models."""

    ending = "txt"

    @staticmethod
    def _model(text: str) -> lgb.Booster:
        try:
            return lgb.Booster(model_str=text)
        except lgb.basic.LightGBMError as error:
            raise ArtifactError(f"no text model of LightGBM: {error}") from error

    @staticmethod
    def _width(model: lgb.Booster) -> int:
        return int(model.num_feature())

    @staticmethod
    def _raw(model: lgb.Booster, rows: Features) -> Array:
        return np.asarray(model.predict(matrix(rows), raw_score=True))

    @staticmethod
    def _importances(model: lgb.Booster) -> Array:
        found: Array = model.feature_importance("gain")
        return found
