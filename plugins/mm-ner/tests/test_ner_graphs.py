"""A tagger as an ONNX graph: rows of unequal length, and texts longer than a window."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mm_core import MultiModalPredictor


@pytest.mark.slow
def test_a_graph_finds_the_same(
    learned: MultiModalPredictor, orders: object, tmp_path: Path
) -> None:
    """In texts of all lengths, of several windows too, and none in one that is missing."""
    pytest.importorskip("mm_onnx")
    rows = orders(40, seed=5)  # type: ignore[operator]
    long = " ".join(rows["said"]) * 20
    sample = pd.concat([rows[:8], pd.DataFrame({"said": [long]})], ignore_index=True)
    report = learned.export(tmp_path / "light", format="onnx", sample=sample)
    assert report.max_abs_diff < 1e-4
    assert report.label_agreement == 1.0
    light = MultiModalPredictor.load(tmp_path / "light", verbosity=0)
    given = pd.DataFrame({"said": [long, *rows["said"], None]})
    answer = light.predict(given)
    assert answer.tolist() == learned.predict(given).tolist()
    assert answer.iloc[0].count("start") > 50
    assert light.evaluate(rows) == learned.evaluate(rows)
