"""What discovering many plugins costs beyond the bare import of the plugin API.

    python -m benchmarks.discovery [--plugins 30] [--repeats 15] [--out FILE]

Writes that many tiny distributions into a folder, as pip would leave them, and starts fresh
processes one after the other: each imports ``mm_core.api``, which any use of mm costs, and then
discovers: reads the metadata of everything installed, imports the plugins' light modules, calls
their hooks, checks what they return. The first process, which writes the bytecode, is not counted.
Milliseconds on the wall depend on what else the machine does, those of the processor less so.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.place import machine, versions

MODULE = """
from mm_core.api import Config, FusionHeadSpec, MetricSpec, PluginInfo, hookimpl


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="One of many.")


@hookimpl
def mm_fusion_heads():
    return [FusionHeadSpec(name="head", summary="A head.", target="{name}.head:Head")]


@hookimpl
def mm_metrics():
    return [
        MetricSpec(
            name="score", summary="A score.", target="{name}.score:Score", needs="labels",
            higher_is_better=True,
        )
    ]
"""

MEASURE = """
import json, sys, time
wall, processor = time.perf_counter(), time.process_time()
import mm_core.api
bare = time.perf_counter() - wall, time.process_time() - processor
wall, processor = time.perf_counter(), time.process_time()
from mm_core.plugins import Registry
registry = Registry()
discovery = time.perf_counter() - wall, time.process_time() - processor
heavy = {"torch", "transformers", "pandas", "numpy", "timm", "torchvision", "lightning"}
print(json.dumps({
    "bare": bare, "discovery": discovery, "plugins": len(registry.plugins) - 1,
    "problems": len(registry.problems), "heavy": sorted(heavy & set(sys.modules)),
}))
"""


def install(site: Path, count: int) -> list[str]:
    """Write ``count`` distributions, each with a package and one entry point; gives the names."""
    names = [f"mmfixture{number:02d}" for number in range(count)]
    for name in names:
        package, info = site / name, site / f"{name}-1.0.dist-info"
        package.mkdir(parents=True)
        info.mkdir()
        (package / "__init__.py").touch()
        (package / "plugin.py").write_text(MODULE.replace("{name}", name))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[mm_core.plugins]\n{name} = {name}.plugin\n")
    return names


def measure(site: Path, names: Sequence[str]) -> dict[str, Any]:
    """One fresh process."""
    environ = {**os.environ, "PYTHONPATH": str(site), "MM_PLUGINS": ",".join(names)}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], env=environ, capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def summary(runs: Sequence[Mapping[str, Any]], clock: int) -> dict[str, Any]:
    """Milliseconds by one clock (0: wall, 1: processor); ratio: both together over the bare."""
    bare = [1000 * run["bare"][clock] for run in runs]
    found = [1000 * run["discovery"][clock] for run in runs]
    ratios = [(one + other) / one for one, other in zip(bare, found, strict=True)]
    return {
        "bare_import_ms": _spread(bare),
        "discovery_ms": _spread(found),
        "ratio": statistics.median(ratios),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugins", type=int, default=30, help="how many to install")
    parser.add_argument("--repeats", type=int, default=15, help="processes counted")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "discovery.json"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        names = install(Path(folder), arguments.plugins)
        runs = [measure(Path(folder), names) for _ in range(arguments.repeats + 1)]
    for run in runs:
        assert (run["plugins"], run["problems"], run["heavy"]) == (arguments.plugins, 0, []), run
    result = {
        "plugins": arguments.plugins,
        "repeats": arguments.repeats,
        "wall": summary(runs[1:], 0),
        "processor": summary(runs[1:], 1),
        "heavy": [],
        "machine": machine(threads=1),
        "versions": versions(),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    for clock in ("wall", "processor"):
        print(f"{clock:9s} {json.dumps(result[clock])}")


if __name__ == "__main__":
    main()
