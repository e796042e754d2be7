"""Made-up orders, in which names of dishes and places stand, and a small model of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_ner.samples import GROUPS, marked

from mm_core import MultiModalPredictor

FORMS = (
    "We had {} in {}.",
    "Is there any {}, please?",
    "They went to {} for {} and {}",
    "Nothing for me",
    "{}!",
)
SMALL = {
    "backbones.passage_text.checkpoint": "random",
    "backbones.passage_text.hidden_size": 32,
    "training.learning_rate": 3e-3,
    "training.head_learning_rate": 3e-3,
    "training.epochs": 12,
    "training.batch_size": 16,
    # Few merges: names are cut into pieces, as rare words are.
    "inputs.passage_text.processor.vocab_size": 300,
}

Orders = Callable[..., pd.DataFrame]
Fit = Callable[..., MultiModalPredictor]


def made(n: int, seed: int = 0) -> pd.DataFrame:
    """Texts of unequal length and the JSON of their entities."""
    rng = np.random.default_rng(seed)
    rows = [
        marked(FORMS[rng.integers(len(FORMS))], *rng.permutation(sorted(GROUPS))[:3])
        for _ in range(n)
    ]
    return pd.DataFrame(rows, columns=["said", "entities"])


def trained(frame: pd.DataFrame, **settings: Any) -> MultiModalPredictor:
    """A small model of these rows."""
    return MultiModalPredictor("entities", hyperparameters={**SMALL, **settings}, verbosity=0).fit(
        frame
    )


@pytest.fixture(scope="session")
def orders() -> Orders:
    """Makes rows."""
    return made


@pytest.fixture(scope="session")
def fit() -> Fit:
    """Fits a small model."""
    return trained


@pytest.fixture(scope="session")
def learned() -> MultiModalPredictor:
    """Fitted on orders."""
    return trained(made(240))
