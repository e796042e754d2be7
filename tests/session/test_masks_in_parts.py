"""Answers that are large: they are scored as they come, and never stand in memory together."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor

PLUGIN = Path(__file__).parent / "files" / "masks.py"


def _discs(n: int) -> pd.DataFrame:
    radii = np.random.default_rng(0).integers(20, 120, n)
    return pd.DataFrame({"picture": [f"disc {radius}" for radius in radii], "mask": radii})


@pytest.fixture(scope="module")
def predictor():
    settings = {"training.epochs": 12, "training.batch_size": 8, "training.head_learning_rate": 0.1}
    return MultiModalPredictor(
        "mask",
        problem_type="masks:segmentation",
        hyperparameters=settings,
        plugins=[PLUGIN],
        verbosity=0,
    ).fit(_discs(40))


def test_masks_are_learned_scored_and_answered_in_order(predictor):
    rows = _discs(90)  # more than a window of outputs
    assert predictor.evaluate(rows) == {"iou": pytest.approx(1.0)}
    areas = [mask.sum() for mask in predictor.predict(rows)]
    expected = (np.hypot(*(np.mgrid[:256, :256] - 128.0)) < rows["mask"].iloc[0]).sum()
    assert areas[0] == expected
    assert (
        np.argsort(areas, kind="stable").tolist()
        == np.argsort(rows["mask"], kind="stable").tolist()
    )


@pytest.mark.slow
def test_a_thousand_masks_are_evaluated_within_300_mb(predictor, tmp_path):
    """Their logits alone are 262 MB, beside as many of the pictures."""
    predictor.save(tmp_path / "model")
    _discs(1000).to_parquet(tmp_path / "rows.parquet")
    code = textwrap.dedent(f"""
        import resource
        import pandas as pd
        from mm_core import MultiModalPredictor
        predictor = MultiModalPredictor.load({str(tmp_path / "model")!r}, plugins=[{str(PLUGIN)!r}])
        rows = pd.read_parquet({str(tmp_path / "rows.parquet")!r})
        predictor.evaluate(rows.head(2))
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        before = peak()
        score = predictor.evaluate(rows)["iou"]
        print(score, peak() - before)
    """)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    score, grown = map(float, said.stdout.split()[-2:])
    assert score == pytest.approx(1.0)
    assert grown < 300
