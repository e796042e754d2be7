"""A process of its own: answer some rows by a model, and write down what was imported.

``python -m mm_onnx.answering MODEL ROWS.parquet [PLUGIN.py ...]``
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pandas as pd
import sklearn.metrics  # noqa: F401  # which metrics import when rows are scored

from mm_core.api.tools import load


def main(folder: str, rows: Path, plugins: list[str]) -> None:
    """Write the names of the top-level modules beside the rows."""
    load(folder, plugins).predict(pd.read_parquet(rows))
    _typed(*(word for file in plugins for word in ("--plugin", file)), "inspect", folder)
    names = sorted({name.partition(".")[0] for name in sys.modules})
    rows.with_suffix(".json").write_text(json.dumps(names), encoding="utf-8")


def _typed(*words: str) -> None:
    """A command, in this process: commands are to work there as well."""
    sys.argv = ["mm", *words]
    try:
        runpy.run_module("mm_core", run_name="__main__")
    except SystemExit as done:
        if done.code:
            raise


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
