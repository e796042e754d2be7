"""What a table costs as it grows in rows and in columns: an epoch of fit, then all rows predicted.

    python -m benchmarks.scaling --rows 1000,10000,100000 --columns 10,100,500

The tables are made (``synthetic.py``). Each run is a fresh process; imports are not counted.
Memory is told beyond what stands after the imports.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.cases import find
from benchmarks.place import machine, versions
from benchmarks.speed import Bench

COLUMNS = 20
"""Of the tables that grow in rows."""

ROWS = 5000
"""Of the tables that grow in columns."""


def measure(bench: Bench, n_rows: int, n_columns: int, repeats: int) -> dict[str, float]:
    """Medians over the runs of one size."""
    one = find(f"table_{n_rows}x{n_columns}@1")
    with tempfile.TemporaryDirectory() as folder:
        bench.rows(one, Path(folder), asked=n_rows)
        runs = [bench.run("ours", one.name, Path(folder)) for _ in range(repeats)]
    for run in runs:
        run["fit_memory_mb"] = run["fit_peak_mb"] - run["import_peak_mb"]
        run["memory_mb"] = run["peak_mb"] - run["import_peak_mb"]
    keys = ("fit", "predict")
    wanted = [f"{key}_{kind}" for key in keys for kind in ("seconds", "cpu_seconds")]
    found = {
        key: statistics.median(run[key] for run in runs)
        for key in (*wanted, "fit_memory_mb", "memory_mb")
    }
    return {"rows": n_rows, "columns": n_columns, **found}


def main() -> None:
    arguments = _arguments()
    bench = Bench(Path(), sys.executable, arguments.threads)
    results: dict[str, Any] = {"machine": machine(bench.threads), "versions": versions()}
    sizes = {
        "rows": [(n_rows, COLUMNS) for n_rows in arguments.rows],
        "columns": [(ROWS, n_columns) for n_columns in arguments.columns],
    }
    for axis, points in sizes.items():
        results[axis] = []
        for n_rows, n_columns in points:
            found = measure(bench, n_rows, n_columns, arguments.repeats)
            results[axis].append(found)
            print({key: round(value, 3) for key, value in found.items()}, flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    def numbers(text: str) -> Sequence[int]:
        return [int(part) for part in text.split(",")]

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=numbers, default=[1000, 10_000, 100_000])
    parser.add_argument("--columns", type=numbers, default=[10, 100, 500])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    here = Path(__file__).parent
    parser.add_argument("--out", type=Path, default=here / "results" / "scaling.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
