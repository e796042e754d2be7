"""Two sides as an ONNX graph: their vectors, their cosines, and which rows hold the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mm_core import MultiModalPredictor

WORDS = ["red", "blue", "green", "old", "new", "car", "tree", "house", "dog", "cat"]


def pairs(folder: Path, kind: str) -> pd.DataFrame:
    """Sentences beside sentences or pictures, each second a match; some stand there twice."""
    rng = np.random.default_rng(0)
    said = [" ".join(rng.choice(WORDS, 5)) for _ in range(40)]
    said[7] = said[3]
    if kind == "text":
        other = [one if row % 2 else " ".join(rng.choice(WORDS, 5)) for row, one in enumerate(said)]
    else:
        other = [str(folder / f"{row % 30}.png") for row in range(40)]
        for path in other[:30]:
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(path)
    return pd.DataFrame({"said": said, "other": other, "y": np.arange(40) % 2})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["text", "image"])
def test_a_graph_says_the_same(kind: str, tmp_path: Path) -> None:
    """Its scores too, which know rows of the same content."""
    pytest.importorskip("mm_onnx")
    rows = pairs(tmp_path, kind)
    settings: dict[str, Any] = {"backbones.query_text.checkpoint": "random", "training.epochs": 1}
    if kind == "image":
        settings |= {
            "backbones.response_image.checkpoint": "random",
            "inputs.response_image.processor.image_size": 32,
        }
    problem = "text_similarity" if kind == "text" else "image_text_similarity"
    predictor = MultiModalPredictor(
        "y",
        problem_type=problem,
        roles={"query": ["said"], "response": ["other"]},
        hyperparameters=settings,
        verbosity=0,
    ).fit(rows)
    report = predictor.export(tmp_path / "light", format="onnx", sample=rows[:12])
    assert report.max_abs_diff < 1e-4
    light = MultiModalPredictor.load(tmp_path / "light", verbosity=0)
    rows.loc[5, "said"] = None
    assert light.predict(rows).equals(predictor.predict(rows))
    assert light.evaluate(rows) == pytest.approx(predictor.evaluate(rows), abs=1e-4)
    for side in ("query", "response"):
        wanted, found = (one.extract_embedding(rows, of=side) for one in (predictor, light))
        np.testing.assert_allclose(found, wanted, atol=1e-4)
