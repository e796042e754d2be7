"""What temperature and threshold change, on training rows only.

    python -m benchmarks.calibration --data DIR --seeds 3

One fit for each (set, seed), scored on a quarter of train.csv with what was set right on the
held-out rows and without it; test.csv is not read. Temperature: log loss and Brier score, the best
epoch chosen as by default; also on small tables that scikit-learn brings, some tens of rows held
out, scored on the rows that training left.
Threshold: churn, by each metric of labels, over numbers of rows (the product holds out 20%, of
many rows less, to choose on).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.paired import paired
from benchmarks.place import machine, versions
from benchmarks.rows import Rows, draw
from benchmarks.sets import SETS, BenchmarkSet, Budget
from benchmarks.settings import settings
from benchmarks.small import draw_small, small_set
from mm_core import MultiModalPredictor
from mm_core.builtin.tasks.calibration import Calibration

_POKEMON = SETS["pokemon"]
_SST2 = BenchmarkSet(
    name="sst2",
    label="label",
    metric="accuracy",
    budget=Budget(epochs=3, batch_size=32, max_length=32, max_rows=1000),
    text=("sentence",),
)
TEMPERATURE_SETS = (
    SETS["churn"],
    replace(_POKEMON, budget=replace(_POKEMON.budget, epochs=20), text=(), image=None),
    SETS["magnetic_tile"],
    _SST2,
)
SMALL = {
    "iris": (100,),
    "wine": (60, 100, 142),
    "breast_cancer": (100, 400),
    "digits": (300, 900),
}
"""Name of scikit-learn's -> numbers of training rows, held-out ones among them."""
TEMPERATURE_METRICS = ("log_loss", "brier")
THRESHOLD_METRICS = ("f1", "balanced_accuracy", "mcc", "accuracy")
THRESHOLD_ROWS = (200, 500, 2000, 6000)


@dataclass(frozen=True)
class Run:
    """One fit. ``eval_metric``: what a threshold is searched by, None: no search."""

    key: str
    one: BenchmarkSet
    seed: int
    draw: Callable[[], Rows]
    metrics: tuple[str, ...]
    eval_metric: str | None = None


def with_and_without(run: Run) -> dict[str, Any]:
    """Metric -> score of the same weights [without calibration, with it]; and what was set."""
    one, rows = run.one, run.draw()
    columns = [column for part in one.modalities.values() for column in part]
    predictor = MultiModalPredictor(
        label=one.label,
        eval_metric=run.eval_metric,
        validation_metric=None if run.eval_metric is None else "log_loss",
        hyperparameters=settings(one, list(one.modalities)),
        verbosity=0,
    ).fit(rows.train[[*columns, one.label]], tuning_data=rows.held, seed=run.seed)
    assert predictor._fitted is not None
    task: Any = predictor._fitted.model.task
    found = task.calibration
    after = predictor.evaluate(rows.test, list(run.metrics))
    task.calibration = Calibration()
    before = predictor.evaluate(rows.test, list(run.metrics))
    return {
        "temperature": found.temperature,
        "threshold": found.threshold,
        "scores": {name: [before[name], after[name]] for name in run.metrics},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "calibration.json"
    )
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for run in _runs(arguments.data.resolve(), arguments.seeds):
        found = results.setdefault("runs", {}).setdefault(run.key, {})
        if str(run.seed) in found:
            continue
        found[str(run.seed)] = with_and_without(run)
        print(run.key, run.seed, found[str(run.seed)], flush=True)
        results |= {"machine": machine(torch.get_num_threads()), "versions": versions()}
        arguments.out.write_text(json.dumps(results, indent=1))
    print(table(results["runs"]))


def _runs(data: Path, seeds: int) -> Iterator[Run]:
    def development(one: BenchmarkSet, seed: int) -> Callable[[], Rows]:
        return partial(draw, one, data, seed, development=True)

    churn = SETS["churn"]
    for seed in range(seeds):
        for n in THRESHOLD_ROWS:
            one = replace(churn, budget=replace(churn.budget, max_rows=n))
            for name in THRESHOLD_METRICS:
                rows = development(one, seed)
                yield Run(f"threshold churn {n} {name}", one, seed, rows, (name,), name)
    small = [small_set(name, n) for name, sizes in SMALL.items() for n in sizes]
    for seed in range(seeds):
        for one in TEMPERATURE_SETS:
            rows = development(one, seed)
            yield Run(f"temperature {one.name}", one, seed, rows, TEMPERATURE_METRICS)
        for one in small:
            rows = partial(draw_small, one, seed)
            yield Run(f"temperature {one.name}", one, seed, rows, TEMPERATURE_METRICS)


def table(runs: dict[str, Any]) -> str:
    """Mean score without and with calibration and the paired difference, as Markdown."""
    lines = ["| | metric | without | with | difference |", "|---|---|---|---|---|"]
    for key, by_seed in runs.items():
        for name in next(iter(by_seed.values()))["scores"]:
            before, after = (
                [run["scores"][name][side] for run in by_seed.values()] for side in (0, 1)
            )
            difference = paired(after, before)
            low, high = difference["interval"]
            lines.append(
                f"| {key.removesuffix(f' {name}')} | {name} | {sum(before) / len(before):.4f} | "
                f"{sum(after) / len(after):.4f} | {difference['mean']:+.4f} "
                f"({low:+.4f} to {high:+.4f}) |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
