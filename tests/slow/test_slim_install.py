"""Install only what you use: a venv of core + tables has no transformers, timm or torchvision."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FIT = """
import importlib.util, sys
import numpy as np, pandas as pd
for name in ("transformers", "timm", "torchvision", "mm_text", "mm_image"):
    assert importlib.util.find_spec(name) is None, name
from mm_core import MultiModalPredictor
rng = np.random.default_rng(0)
frame = pd.DataFrame({"x": rng.normal(size=200), "place": rng.choice(["a", "b"], 200)})
frame["note"] = [f"free text number {i} that only a text plugin could read" for i in range(200)]
frame["y"] = np.where(frame["x"] > 0, "yes", "no")
predictor = MultiModalPredictor("y", path=sys.argv[1], verbosity=0).fit(frame)
assert predictor.column_types["note"] is None
assert "pip install mm-text" in predictor.recipe.columns.plan("note").reason
assert predictor.evaluate(frame, metrics="accuracy")["accuracy"] > 0.9
"""


@pytest.mark.slow
def test_core_and_tables_alone(tmp_path):
    wheels = tmp_path / "wheels"
    for source in (ROOT, ROOT / "plugins" / "mm-tabular"):
        subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--outdir", str(wheels), str(source)],
            check=True,
            env=_plain_environment(),
        )
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", *map(str, wheels.glob("*.whl"))],
        check=True,
        env=_plain_environment(),
    )
    subprocess.run([str(python), "-c", FIT, str(tmp_path / "model")], check=True, cwd=tmp_path)
    listed = subprocess.run(
        [str(python.parent / "mm"), "inspect", str(tmp_path / "model")],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "tabular" in listed.stdout


def _plain_environment() -> dict[str, str]:
    """Without the network guard of the tests: pip reaches its registry."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
