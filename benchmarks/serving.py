"""One row and a thousand, warm, and a first answer in a new process: what a server feels.

    python -m benchmarks.serving --data DIR --cases snips,table_500x30

Three sides answer the same rows on one thread: the loop written by hand (``bare``), the product
(``ours``), and its ONNX graph (``graph``). In one process they take turns, call by call, and
processor seconds count: other work on the machine adds to the wall clock, not to them. New
processes take turns too; there peak memory is noted as well. Weights are those of one epoch on few
rows: they change no time.
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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.cases import CASES
from benchmarks.place import machine, versions
from benchmarks.sets import BenchmarkSet
from benchmarks.settings import settings
from benchmarks.speed import Bench

TRAIN_ROWS = 160
MANY = 1000
CALLS = {1: 40, MANY: 3}
"""Rows of a call -> calls of each side."""

WARM = 2
PROCESSES = 3

FIRST = (
    "import sys, pandas as pd\n"
    "from mm_core import MultiModalPredictor\n"
    "print(MultiModalPredictor.load({model!r}, verbosity=0).predict(pd.read_csv({rows!r})[:1]))\n"
    "assert {torch} or 'torch' not in sys.modules\n"
)
NEW = {
    "import torch, pandas": "import torch, pandas",
    "ours": FIRST.replace("{torch}", "True"),
    "graph": FIRST.replace("{torch}", "False"),
}
"""What new processes run."""

PEAK = "\nprint(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
"""Peak memory in kB as Linux has it: ``ru_maxrss`` of a child begins with its parent's."""

Side = Callable[[pd.DataFrame], Any]


def main() -> None:
    arguments = _arguments()
    import torch

    torch.set_num_threads(1)
    found = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"cases": {}}
    for name in arguments.cases.split(","):
        one = CASES[name]
        budget = replace(one.budget, epochs=1, max_rows=TRAIN_ROWS)
        with tempfile.TemporaryDirectory() as folder:
            case = measured(replace(one, budget=budget), arguments.data, Path(folder))
        found["cases"][name] = case
        found |= {"machine": machine(1), "versions": versions()}
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")
        _print(name, case)


def measured(one: BenchmarkSet, data: Path, folder: Path) -> dict[str, Any]:
    """Milliseconds of calls, and seconds and memory of new processes."""
    Bench(data.resolve(), sys.executable, 1).rows(one, folder, MANY)
    train, held, ask = (pd.read_csv(folder / f"{name}.csv") for name in ("train", "held", "ask"))
    sides = _sides(one, train, held, folder)
    calls = {str(rows): in_turns(sides, ask.head(rows), CALLS[rows]) for rows in CALLS}
    scripts = {
        name: script.format(
            model=str(folder / ("light" if name == "graph" else "model")),
            rows=str(folder / "ask.csv"),
        )
        for name, script in NEW.items()
    }
    return {"calls": calls, "new_process": new_processes(scripts)}


def _sides(
    one: BenchmarkSet, train: pd.DataFrame, held: pd.DataFrame, folder: Path
) -> Mapping[str, Side]:
    from benchmarks.bare import run
    from benchmarks.bare.periodic import PeriodicTable
    from mm_core import MultiModalPredictor

    bare = run.fit(one, train, held, seed=0, table=PeriodicTable)
    ours = MultiModalPredictor(
        label=one.label,
        hyperparameters=settings(one, list(one.modalities)),
        path=folder / "model",
        verbosity=0,
    ).fit(train, tuning_data=held, seed=0)
    ours.export(folder / "light", format="onnx:onnx", sample=held.head(16))
    graph = MultiModalPredictor.load(folder / "light", verbosity=0)
    return {"bare": bare.answer, "ours": ours.predict, "graph": graph.predict}


def in_turns(sides: Mapping[str, Side], rows: pd.DataFrame, calls: int) -> dict[str, Any]:
    """Milliseconds of a call by side: median of the wall clock and of the processor."""
    wall: dict[str, list[float]] = {name: [] for name in sides}
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(WARM + calls):
        for name, answer in sides.items():
            started = time.perf_counter(), time.process_time()
            answer(rows)
            if turn >= WARM:
                wall[name].append((time.perf_counter() - started[0]) * 1000)
                cpu[name].append((time.process_time() - started[1]) * 1000)
    return {
        name: {
            "cpu_ms": round(statistics.median(cpu[name]), 3),
            "wall_ms": round(statistics.median(wall[name]), 3),
        }
        for name in sides
    }


def new_processes(scripts: Mapping[str, str]) -> dict[str, Any]:
    """Seconds and peak megabytes of processes of their own: medians."""
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in scripts}
    for _ in range(PROCESSES):
        for name, script in scripts.items():
            found[name].append(_process(script))
    return {
        name: dict(zip(("cpu_s", "wall_s", "peak_mb"), _medians(runs), strict=True))
        for name, runs in found.items()
    }


def _medians(runs: Sequence[tuple[float, ...]]) -> list[float]:
    return [round(statistics.median(values), 3) for values in zip(*runs, strict=True)]


def _process(script: str) -> tuple[float, float, float]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled once, as an installer does
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", script + PEAK], env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"this failed:\n{script}")
    peak = int(said.split()[-1]) / 1024
    return used.ru_utime + used.ru_stime, time.perf_counter() - started, peak


def _print(name: str, case: Mapping[str, Any]) -> None:
    for rows, sides in case["calls"].items():
        bare = sides["bare"]["cpu_ms"]
        for side, found in sides.items():
            ratio = found["cpu_ms"] / bare
            print(f"{name:15s} {rows:>5s} rows  {side:6s} {found['cpu_ms']:10.2f} ms  {ratio:.2f}")
    for side, found in case["new_process"].items():
        print(
            f"{name:15s} first answer {side:21s} {found['cpu_s']:6.2f} s {found['peak_mb']:.0f} MB"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = Path(__file__).parent
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--out", type=Path, default=here / "results" / "serving.json")
    parser.add_argument("--cases", default="snips,magnetic_tile,pokemon,table_500x30")
    return parser.parse_args()


if __name__ == "__main__":
    main()
