"""Pictures are answered as they come, and never stand in memory together."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="peak memory as Linux tells it")
def test_five_hundred_pictures_are_answered_in_flat_memory(saved, tmp_path):
    """640 x 480: all of them decoded are 460 MB."""
    rng = np.random.default_rng(0)
    for number in range(500):
        picture = Image.new("RGB", (640, 480), tuple(rng.integers(90, 130, 3).tolist()))
        pen = ImageDraw.Draw(picture)
        for _ in range(int(rng.integers(0, 6))):
            x, y = (int(rng.integers(0, most)) for most in (500, 340))
            pen.rectangle((x, y, x + 120, y + 120), tuple(rng.integers(0, 255, 3).tolist()))
        picture.save(tmp_path / f"{number}.jpg")
    rows = pd.DataFrame({"photo": [f"{number}.jpg" for number in range(500)]})
    rows.to_csv(tmp_path / "all.csv", index=False)
    rows.head(100).to_csv(tmp_path / "some.csv", index=False)
    code = textwrap.dedent("""
        import sys
        from pathlib import Path
        from mm_core import MultiModalPredictor

        def peak():  # ru_maxrss of a process begins with that of the one that started it
            (line,) = (one for one in Path("/proc/self/status").read_text().splitlines()
                       if one.startswith("VmHWM"))
            return int(line.split()[1]) / 1024

        predictor, folder = MultiModalPredictor.load(sys.argv[1]), Path(sys.argv[2])
        predictor.predict(folder / "some.csv")
        before = peak()
        found = predictor.predict(folder / "all.csv")
        print(len(found), peak() - before)
    """)
    command = [sys.executable, "-c", code, str(saved), str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    count, grown = said.stdout.split()[-2:]
    assert int(count) == 500
    assert float(grown) < 60
