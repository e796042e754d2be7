"""What a fused model scores when a whole modality is missing at prediction.

    python -m benchmarks.dropped --data DIR --out benchmarks/results/dropped.json --seeds 3

Every training row has every modality. The bar for a model that lost one is the majority answer:
whatever it still reads should be worth more than nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.place import machine, versions
from benchmarks.rows import Rows, draw, score
from benchmarks.sets import SETS, BenchmarkSet
from benchmarks.settings import settings
from mm_core import MultiModalPredictor


def run(one: BenchmarkSet, rows: Rows, seed: int, changes: dict[str, Any]) -> dict[str, float]:
    """Score of the test rows with everything, then with each set of columns left out.

    Args:
        one: a set of several modalities, scored by accuracy.
        rows: its rows.
        seed: of the fit.
        changes: settings beside the budget's.
    """
    with tempfile.TemporaryDirectory() as folder:
        predictor = MultiModalPredictor(
            label=one.label,
            hyperparameters={**settings(one, list(one.modalities)), **changes},
            path=Path(folder) / "model",
            verbosity=0,
        ).fit(rows.train, tuning_data=rows.held, seed=seed)
        truth, inputs = rows.test[one.label], rows.test.drop(columns=one.label)

        def left(columns: Sequence[str]) -> float:
            return score(one, truth, predictor.predict(inputs.drop(columns=list(columns))))

        found = {"all": left([])}
        for name, columns in one.modalities.items():
            found[f"without {name}"] = left(columns)
            others = [c for other, cs in one.modalities.items() if other != name for c in cs]
            found[f"{name} alone"] = left(others)
    most_common = rows.train[one.label].mode()[0]
    return found | {"majority": float((truth == most_common).mean())}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", default="pokemon", choices=SETS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="file to write")
    parser.add_argument("--development", action="store_true", help="leave test.csv unread")
    parser.add_argument("--try", dest="tried", default="{}", help="settings to try, JSON")
    arguments = parser.parse_args()
    one = SETS[arguments.set]
    results: dict[str, Any] = {"set": one.to_json(), "settings": json.loads(arguments.tried)}
    results |= {"machine": machine(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))}
    results |= {"versions": versions(), "seeds": []}
    for seed in range(arguments.seeds):
        rows = draw(one, arguments.data.resolve(), seed, arguments.development)
        results["seeds"].append(run(one, rows, seed, results["settings"]))
        print(seed, {k: round(v, 3) for k, v in results["seeds"][-1].items()}, flush=True)
    results["mean"] = {
        key: sum(found[key] for found in results["seeds"]) / arguments.seeds
        for key in results["seeds"][0]
    }
    print({key: round(value, 3) for key, value in results["mean"].items()})
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
