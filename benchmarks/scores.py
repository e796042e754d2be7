"""Scores of the product beside those of a hand-written loop on the same rows.

    python -m benchmarks.scores --data DIR --out benchmarks/results/scores.json \
        --sets snips,magnetic_tile --seeds 3

Each side of each (set, seed) runs in a fresh process. Results are written after every run; a run
that stands in the file, under the same definition of its set, is not repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.paired import paired
from benchmarks.place import machine, versions
from benchmarks.sets import SETS, BenchmarkSet


@dataclass(frozen=True)
class Bench:
    """Where rows come from, where results go, and how many threads a run has."""

    data: Path
    out: Path
    threads: int
    development: bool

    def run(self, one: BenchmarkSet, side: str, seed: int) -> dict[str, Any]:
        """One side of one (set, seed), in a process of its own."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run.json"
            command = [sys.executable, "-m", "benchmarks.side", "--side", side]
            command += ["--set", one.name, "--seed", str(seed), "--data", str(self.data)]
            command += ["--out", str(out), *["--development"][: int(self.development)]]
            environment = {
                **os.environ,
                "OMP_NUM_THREADS": str(self.threads),
                "OMP_WAIT_POLICY": "PASSIVE",  # waiting threads leave the cores to others
                "HF_HUB_OFFLINE": "1",
            }
            root = Path(__file__).parents[1]
            done = subprocess.run(
                command, cwd=root, env=environment, capture_output=True, text=True
            )
            if done.returncode:
                raise SystemExit(f"{side} {one.name} seed {seed} failed:\n{done.stderr[-4000:]}")
            found: dict[str, Any] = json.loads(out.read_text())
            return found


def sides(one: BenchmarkSet) -> list[str]:
    """What runs on a set: both sides, and each modality alone where there are several."""
    if len(one.modalities) == 1:
        return ["bare", "ours"]
    # A table alone learns little in the few epochs of the others: it also gets its own many.
    own = ["ours:tabular:own"] if "tabular" in one.modalities else []
    return ["bare", "ours", *(f"ours:{name}" for name in one.modalities), *own]


def summary(one: BenchmarkSet, runs: dict[str, dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """Means, and paired differences of ours with everything else; ``runs[side][seed]``."""

    def values(side: str, key: str) -> list[float]:
        return [runs[side][seed][key] for seed in sorted(runs[side])]

    others = [side for side in runs if side != "ours"]
    found: dict[str, Any] = {
        "metric": one.metric,
        "mean": {side: sum(values(side, "score")) / len(runs[side]) for side in runs},
        "ours_minus": {
            side: paired(values("ours", "score"), values(side, "score")) for side in others
        },
    }
    for key in ("fit_seconds", "predict_seconds"):
        found[f"{key}_ratio"] = sum(values("ours", key)) / sum(values("bare", key))
    return found


def table(results: dict[str, Any]) -> str:
    """The summaries as Markdown."""
    lines = [
        "| set | metric | compared with | theirs | ours | difference | 95% interval |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, entry in results["sets"].items():
        found = entry["summary"]
        for side, difference in found["ours_minus"].items():
            low, high = difference["interval"]
            lines.append(
                f"| {name} | {found['metric']} | {side} | {found['mean'][side]:.4f} "
                f"| {found['mean']['ours']:.4f} | {difference['mean']:+.4f} "
                f"| {low:+.4f} to {high:+.4f} |"
            )
    return "\n".join(lines)


def main() -> None:
    arguments = _arguments()
    bench = Bench(arguments.data.resolve(), arguments.out, arguments.threads, arguments.development)
    results = json.loads(bench.out.read_text()) if bench.out.exists() else {"sets": {}}
    bench.out.parent.mkdir(parents=True, exist_ok=True)
    for one in (SETS[name] for name in arguments.sets.split(",")):
        definition = json.loads(json.dumps(one.to_json()))
        entry = results["sets"].get(one.name)
        if entry is None or entry["definition"] != definition:
            entry = {"definition": definition, "settings": {}, "runs": {}}
        results["sets"][one.name] = entry
        for seed in map(str, range(arguments.seeds)):
            for side in arguments.sides or sides(one):
                if seed in entry["runs"].setdefault(side, {}):
                    continue
                run = bench.run(one, side, int(seed))
                entry["settings"][side] = run.pop("settings")
                entry["runs"][side][seed] = run
                print(f"{one.name} {side} seed {seed}: {run['score']:.4f}", flush=True)
                results |= {"machine": machine(bench.threads), "versions": versions()}
                bench.out.write_text(json.dumps(results, indent=1))
        entry["summary"] = summary(one, entry["runs"])
        bench.out.write_text(json.dumps(results, indent=1))
    print(table(results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = Path(__file__).parent
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--out", type=Path, default=here / "results" / "scores.json")
    parser.add_argument("--sets", default=",".join(SETS), help=f"of {', '.join(SETS)}")
    parser.add_argument("--sides", nargs="*", help="only these: bare, ours, ours:text, ...")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--development", action="store_true", help="leave test.csv unread")
    return parser.parse_args()


if __name__ == "__main__":
    main()
