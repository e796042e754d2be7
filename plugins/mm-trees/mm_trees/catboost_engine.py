"""CatBoost's models as engine. Imports CatBoost and numpy, no torch."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from catboost import CatBoost, CatBoostError, FeaturesData, Pool

from mm_core.api import ArtifactError
from mm_trees.engine import TreesEngine
from mm_trees.features import Array, Features

OF_THE_MOMENT = ("model_guid", "train_finish_time")
"""What two fits of the same rows differ in."""


def pool(rows: Features, truth: Array | None = None, weight: Array | None = None) -> Pool:
    """Rows as CatBoost reads them: a category is the text of its code."""
    codes = rows.codes.astype(np.str_).astype(np.bytes_).astype(object)
    data = FeaturesData(
        num_feature_data=np.ascontiguousarray(rows.numbers) if rows.numbers.shape[1] else None,
        cat_feature_data=codes if codes.shape[1] else None,
    )
    return Pool(data, label=truth, weight=weight)


def as_json(model: CatBoost, folder: Path) -> bytes:
    """CatBoost's JSON of a model; the same for the same trees.

    Args:
        model: fitted.
        folder: for a file meanwhile.
    """
    file = folder / "model.json"
    model.save_model(str(file), format="json")
    found = json.loads(file.read_text(encoding="utf-8"))
    for key in OF_THE_MOMENT:
        found["model_info"].pop(key, None)
    return json.dumps(found, separators=(",", ":")).encode()


class CatBoostEngine(TreesEngine):
    """Logits of CatBoost's models."""

    ending = "json"

    @staticmethod
    def _model(file: bytes) -> CatBoost:
        model = CatBoost()
        try:
            with tempfile.TemporaryDirectory(prefix="mm-trees-") as folder:
                path = Path(folder) / "model.json"  # CatBoost reads JSON from files only
                path.write_bytes(file)
                model.load_model(str(path), format="json")
        except CatBoostError as error:
            raise ArtifactError(f"no JSON model of CatBoost: {error}") from error
        return model

    @staticmethod
    def _width(model: CatBoost) -> int:
        return len(model.feature_names_)

    @staticmethod
    def _scores(model: CatBoost) -> int:
        _, bias = model.get_scale_and_bias()  # of each
        return np.size(bias)

    @staticmethod
    def _raw(model: CatBoost, rows: Features) -> Array:
        found: Array = model.predict(pool(rows), prediction_type="RawFormulaVal")
        return found

    @staticmethod
    def _importances(model: CatBoost) -> Array:
        found: Array = model.get_feature_importance(type="PredictionValuesChange")
        return found
