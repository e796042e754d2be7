"""How many rows the network sees at once at prediction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor

pytestmark = pytest.mark.usefixtures("module_on_cpu")


def _rows(n: int) -> pd.DataFrame:
    x = np.random.default_rng(0).normal(size=n)
    return pd.DataFrame({"x": x, "y": np.where(x > 0, "yes", "no")})


@pytest.fixture(scope="module")
def fitted() -> MultiModalPredictor:
    settings = {"training.epochs": 1, "training.batch_size": 40, "backbones.tabular.width": 8}
    return MultiModalPredictor("y", hyperparameters=settings, verbosity=0).fit(_rows(100))


def _batches_seen(predictor: MultiModalPredictor, rows: pd.DataFrame) -> list[int]:
    model = predictor._model
    seen: list[int] = []
    (backbone,) = model.topology.backbones.values()
    hook = backbone.register_forward_hook(lambda module, given, out: seen.append(len(out.pooled)))
    predictor.predict(rows)
    hook.remove()
    return seen


def test_batches_are_those_of_training(fitted: MultiModalPredictor) -> None:
    assert _batches_seen(fitted, _rows(100)) == [40, 40, 20]


def test_a_network_left_in_training_predicts_without_dropout(fitted: MultiModalPredictor) -> None:
    rows = _rows(50)
    expected = fitted.predict_proba(rows)
    fitted._model.topology.train()
    try:
        pd.testing.assert_frame_equal(fitted.predict_proba(rows), expected)
        assert fitted._model.topology.training
    finally:
        fitted._model.topology.eval()
