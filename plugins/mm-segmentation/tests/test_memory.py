"""Masks are scored and written as they come, and never stand in memory together."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pandas as pd
import pytest


@pytest.mark.slow
def test_a_thousand_rows_are_scored_and_written_within_300_mb(saved, table, tmp_path):
    """Masks of 512 x 512: 262 MB of them, as many of what is certain, and 3 GB of pictures."""
    from PIL import Image

    frame = pd.read_csv(table)
    for name in frame:
        for file in frame[name]:
            with Image.open(table.parent / file) as image:
                image.resize((512, 512), Image.Resampling.NEAREST).save(
                    tmp_path / file.replace("/", "_")
                )
        frame[name] = [one.replace("/", "_") for one in frame[name]]
    rows = pd.concat([frame] * 42).head(1000)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    rows.head(2).to_csv(tmp_path / "two.csv", index=False)
    code = textwrap.dedent(f"""
        import resource
        from mm_core import MultiModalPredictor
        predictor = MultiModalPredictor.load({str(saved)!r})
        predictor.evaluate({str(tmp_path / "two.csv")!r})
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        before = peak()
        score = predictor.evaluate({str(tmp_path / "rows.csv")!r})["iou"]
        scored = peak() - before
        predictor.predict({str(tmp_path / "rows.csv")!r}, out={str(tmp_path / "out")!r})
        print(score, scored, peak() - before)
    """)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    score, scored, written = map(float, said.stdout.split()[-3:])
    assert score > 0.5
    assert scored < 300
    assert written < 300
    assert len(list((tmp_path / "out/masks").iterdir())) == 1000


@pytest.mark.slow
def test_a_picture_of_ten_thousand_pixels_a_side_is_answered_and_scored(saved, table, tmp_path):
    """300 MB of colours and 100 MB of mask; a float32 map of its size is 400 MB."""
    from PIL import Image

    row = pd.read_csv(table).iloc[2]
    for name, file in row.items():
        with Image.open(table.parent / file) as image:
            image.save(tmp_path / f"small_{name}.png")
            large = image.resize((10_000, 10_000), Image.Resampling.NEAREST)
            large.save(tmp_path / f"{name}.png", compress_level=1)
    for size in ("", "small_"):
        cells = {name: [f"{size}{name}.png"] for name in row.index}
        pd.DataFrame(cells).to_csv(tmp_path / f"{size}rows.csv", index=False)
    code = textwrap.dedent(f"""
        import resource
        from mm_core import MultiModalPredictor
        predictor = MultiModalPredictor.load({str(saved)!r})
        small = predictor.evaluate({str(tmp_path / "small_rows.csv")!r})["iou"]
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        before = peak()
        (mask,) = predictor.predict({str(tmp_path / "rows.csv")!r})
        drawn = peak() - before
        score = predictor.evaluate({str(tmp_path / "rows.csv")!r})["iou"]
        print(*mask.shape, small, score, drawn, peak() - before)
    """)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    height, width, small, score, drawn, scored = map(float, said.stdout.split()[-6:])
    assert (height, width) == (10_000, 10_000)
    assert score > 0.5
    assert abs(score - small) < 0.1
    assert drawn < 1400
    assert scored < 1700
