"""scikit-learn's HistGradientBoosting as engine. Imports scikit-learn and skops, no torch."""

from __future__ import annotations

import numpy as np

from mm_core.api import ConfigError
from mm_trees.engine import TreesEngine
from mm_trees.features import RARE, Array, Features, matrix
from mm_trees.skops_file import read
from mm_trees.skops_numbers import Boosted

CATEGORIES = 255
"""Of a column, as many as scikit-learn's trees tell apart, one of them for all that are rare."""


def columns(rows: Features) -> Array:
    """float64 [N, F]: numbers, then codes of the most frequent categories, NaN where missing."""
    codes = np.where(rows.codes > CATEGORIES, RARE, rows.codes)
    return matrix(Features(rows.numbers, codes))


class HistGradientBoostingEngine(TreesEngine):
    """Logits of HistGradientBoosting; a category that no training row had is as a missing one."""

    ending = "skops"

    @staticmethod
    def _model(file: bytes) -> Boosted:
        return read(file)

    @staticmethod
    def _width(model: Boosted) -> int:
        return int(model.n_features_in_)

    @staticmethod
    def _scores(model: Boosted) -> int:
        return int(model.n_trees_per_iteration_)

    @staticmethod
    def _raw(model: Boosted, rows: Features) -> Array:
        answer = getattr(model, "decision_function", model.predict)
        return np.asarray(answer(columns(rows)))

    @staticmethod
    def _importances(model: Boosted) -> Array:
        raise ConfigError(
            "scikit-learn's HistGradientBoosting does not say how much a column counts",
            plugin="trees:hist_gradient_boosting",
            remedy="see what columns add to the answers of some rows, with mm-report: "
            "mm explain MODEL ROWS.csv, predictor.explain(rows); or fit=trees:catboost",
        )
