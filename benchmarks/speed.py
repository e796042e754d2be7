"""Time and memory of the product beside those of a hand-written loop.

    python -m benchmarks.speed --data DIR --cases snips,table_500x30 --pairs 3

Both sides train the same network on the same rows, epochs, batch size, lengths and augmentation,
validate the same held-out rows as often, and save once. Each run is a fresh process; sides take
turns (bare, ours, bare, ours, ...), and a ratio is that of two neighbours. Both sides get the same
threads, and ``OMP_WAIT_POLICY=PASSIVE``: a waiting thread leaves its core to others. Results are
written after every pair; pairs that stand in the file, under the same definition of their case,
count: delete a case's entry when the timed code has changed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import synthetic
from benchmarks.cases import CASES
from benchmarks.place import machine, versions
from benchmarks.rows import held_share, read, split
from benchmarks.sets import BenchmarkSet

SIDES = ("bare", "ours")

ASKED = 1000
"""Rows that are predicted; a smaller set gives its rows more than once."""


@dataclass(frozen=True)
class Bench:
    """Where rows come from, and in what each run happens."""

    data: Path
    python: str
    threads: int

    def rows(self, one: BenchmarkSet, folder: Path, asked: int = ASKED) -> dict[str, int]:
        """Write ``train.csv``, ``held.csv`` and ``ask.csv`` (no label); how many rows each has."""
        if one.name.startswith("table_"):
            frame = synthetic.table(one.budget.max_rows, one.numbers, one.categories)
        else:
            frame = read(self.data / one.folder / "train.csv", one)
        ask = frame.iloc[np.resize(np.arange(len(frame))[::-1], asked)]
        chosen = frame.sample(min(one.budget.max_rows, len(frame)), random_state=0)
        train, held = split(chosen, one, held_share(len(chosen)), seed=0)
        parts = {"train": train, "held": held, "ask": ask.drop(columns=one.label)}
        for name, part in parts.items():
            part.to_csv(folder / f"{name}.csv", index=False)
        return {name: len(part) for name, part in parts.items()}

    def run(self, side: str, case: str, rows: Path) -> dict[str, float]:
        """One side of one case; ``process_seconds`` are those of the whole process."""
        out = rows / "run.json"
        command = [self.python, "-m", "benchmarks.speed_side", "--side", side, "--case", case]
        command += ["--rows", str(rows), "--out", str(out)]
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(self.threads),
            "OMP_WAIT_POLICY": "PASSIVE",
            "HF_HUB_OFFLINE": "1",
        }
        # Modules are compiled once, as an installer does, and not in each run.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        started = time.perf_counter()
        done = subprocess.run(
            command, cwd=Path(__file__).parents[1], env=environment, capture_output=True, text=True
        )
        took = time.perf_counter() - started
        if done.returncode:
            raise SystemExit(f"{side} {case} failed:\n{done.stderr[-4000:]}")
        found: dict[str, float] = json.loads(out.read_text())
        return found | {"process_seconds": took}


def summary(runs: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Of each quantity: median, least and most of both sides, of the ratio and of the difference.

    Args:
        runs: side -> what each of its runs measured; the runs of a pair stand at the same place.
    """
    found = {}
    for key in runs["bare"][0]:
        bare, ours = ([run[key] for run in runs[side]] for side in SIDES)
        found[key] = {
            "bare": _spread(bare),
            "ours": _spread(ours),
            "ratio": _spread([b / a for a, b in zip(bare, ours, strict=True)]),
            "difference": _spread([b - a for a, b in zip(bare, ours, strict=True)]),
        }
    return found


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def main() -> None:
    arguments = _arguments()
    bench = Bench(arguments.data.resolve(), arguments.python, arguments.threads)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"cases": {}}
    for one in (CASES[name] for name in arguments.cases.split(",")):
        definition = json.loads(json.dumps(one.to_json()))
        entry = results["cases"].get(one.name)
        if entry is None or entry["definition"] != definition:
            entry = {"definition": definition, "runs": {side: [] for side in SIDES}}
        results["cases"][one.name] = entry
        with tempfile.TemporaryDirectory() as folder:
            entry["rows"] = bench.rows(one, Path(folder))
            while len(entry["runs"]["ours"]) < arguments.pairs:
                pair = [bench.run(side, one.name, Path(folder)) for side in SIDES]
                for side, run in zip(SIDES, pair, strict=True):
                    entry["runs"][side].append(run)
                entry["summary"] = summary(entry["runs"])
                results |= {"machine": machine(bench.threads), "versions": versions()}
                arguments.out.write_text(json.dumps(results, indent=1) + "\n")
        _print(one.name, entry["summary"])


def _print(case: str, found: dict[str, Any]) -> None:
    for key, values in found.items():
        bare, ours, ratio = (values[name]["median"] for name in ("bare", "ours", "ratio"))
        print(f"{case:15s} {key:27s} {bare:9.3f} {ours:9.3f}  {ratio:6.3f}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = Path(__file__).parent
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--out", type=Path, default=here / "results" / "speed.json")
    parser.add_argument("--cases", default=",".join(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--pairs", type=int, default=3, help="of each case, those in the file too")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--python", default=sys.executable, help="interpreter of both sides")
    return parser.parse_args()


if __name__ == "__main__":
    main()
