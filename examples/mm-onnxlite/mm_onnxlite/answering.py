"""A process of its own: answer some rows by a model, and write down what was imported.

``python -m mm_onnxlite.answering MODEL ROWS.parquet [PLUGIN.py ...]``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mm_core.cli.app  # noqa: F401  # `mm predict` is to work there as well
import pandas as pd
import sklearn.metrics  # noqa: F401  # which metrics import when rows are scored
from mm_core.api import tools


def main(folder: Path, rows: Path, plugins: list[str]) -> None:
    """Write the names of the top-level modules beside the rows."""
    tools.load(folder, plugins).predict(pd.read_parquet(rows))
    names = sorted({name.partition(".")[0] for name in sys.modules})
    rows.with_suffix(".json").write_text(json.dumps(names), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
