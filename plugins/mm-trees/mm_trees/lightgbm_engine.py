"""LightGBM's models as engine. Imports LightGBM and numpy, no torch."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np

from mm_core.api import ArtifactError
from mm_trees.engine import TreesEngine
from mm_trees.features import Array, Features, matrix


class LightGBMEngine(TreesEngine):
    """Logits of LightGBM's models: a category that training did not have is in no split's set of
    categories, and goes where the others go."""

    ending = "txt"

    @staticmethod
    def _model(file: bytes) -> lgb.Booster:
        try:
            return lgb.Booster(model_str=file.decode())
        except (lgb.basic.LightGBMError, UnicodeDecodeError) as error:
            raise ArtifactError(f"no text model of LightGBM: {error}") from error

    @staticmethod
    def _width(model: lgb.Booster) -> int:
        return int(model.num_feature())

    @staticmethod
    def _scores(model: lgb.Booster) -> int:
        return int(model.num_model_per_iteration())

    @staticmethod
    def _raw(model: lgb.Booster, rows: Features) -> Array:
        return np.asarray(model.predict(matrix(rows), raw_score=True))

    @staticmethod
    def _importances(model: lgb.Booster) -> Array:
        found: Array = model.feature_importance("gain")
        return found
