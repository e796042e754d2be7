"""Each row of an optimiser step counts alike, however the rows are cut into batches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.training.loop.shares import shares_of_steps


@pytest.mark.parametrize(
    ("sizes", "accumulate", "shares"),
    [
        ([4, 4, 4], 1, [1, 1, 1]),
        ([4, 4, 1], 1, [1, 1, 1]),
        ([4, 4, 4, 4], 2, [1, 1, 1, 1]),
        ([4, 4, 4], 2, [1, 1, 2]),
        ([4, 4, 4, 2], 2, [1, 1, 4 / 3, 2 / 3]),
    ],
)
def test_shares(sizes, accumulate, shares):
    assert shares_of_steps(sizes, accumulate) == shares


def test_small_batches_that_are_summed_train_as_one_large_batch():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=168), "z": rng.normal(size=168)})
    frame["y"] = frame["x"] * 2 + frame["z"]
    answers, losses = [], []
    for batch_size, accumulate in ((32, 1), (8, 4)):  # the last step has 8 rows
        settings = {
            "training.batch_size": batch_size,
            "training.accumulate": accumulate,
            "training.epochs": 3,
            "training.augment": False,
            "training.average": "best",
            "backbones.tabular.dropout": 0.0,
        }
        predictor = MultiModalPredictor("y", hyperparameters=settings, verbosity=0)
        predictor.fit(frame, tuning_data=frame[:40])
        answers.append(predictor.predict(frame).to_numpy())
        losses.append(predictor.history["loss"].to_numpy())
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-4)
    assert np.ptp(answers[0]) > 0.5
