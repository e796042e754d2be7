"""One side of one case, timed, in a process of its own; ``speed.py`` starts it.

    python -m benchmarks.speed_side --side ours --case text --rows FOLDER

``FOLDER`` holds ``train.csv``, ``held.csv`` and ``ask.csv``. Nothing of either side is imported
before its imports are timed.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from benchmarks.cases import find
from benchmarks.sets import BenchmarkSet
from benchmarks.settings import settings

WARM_CALLS = 3
ONE_ROW_CALLS = 20

# torch._dynamo and scikit-learn's metrics would else be imported, and counted, in the fit.
BARE = ("safetensors.torch", "torch._dynamo", "benchmarks.bare.run")
BARE_PARTS = {
    "text": ("benchmarks.bare.text",),
    "image": ("benchmarks.bare.image",),
    "tabular": ("benchmarks.bare.periodic",),
}
OURS = (
    "mm_core",
    "mm_core.training.fit",
    "mm_core.training.loop.train",
    "mm_core.inference",
    "mm_core.artifact.save",
    "sklearn.metrics",
)
OURS_PARTS = {
    "text": ("mm_text.hf", "mm_text.hf_tokenizer"),
    "image": ("mm_image.timm_backbone", "mm_image.timm_transform", "mm_image.augment"),
    "tabular": ("mm_tabular.mlp", "mm_tabular.table"),
}


class Side(Protocol):
    """One of the two that are compared; imports are made by :func:`load_modules` before."""

    def fit(self, train: Any, held: Any, folder: Path) -> None:
        """Train, choose the best epoch on the held-out rows, and save to ``folder``."""

    def predict(self, frame: Any) -> Any:
        """One answer for each row."""


class Bare:
    """The loop written by hand."""

    def __init__(self, case: str) -> None:
        self.one = find(case)

    def fit(self, train: Any, held: Any, folder: Path) -> None:
        """The weights as one file of safetensors."""
        from safetensors.torch import save_file

        from benchmarks.bare import run

        self.fitted = run.fit(self.one, train, held, seed=0, table=_periodic)
        save_file(self.fitted.model.state_dict(), str(folder / "weights.safetensors"))

    def predict(self, frame: Any) -> Any:
        """In batches as in training."""
        return self.fitted.answer(frame)


class Ours:
    """The product, at its defaults but for the shared budget."""

    def __init__(self, case: str) -> None:
        from benchmarks.cases import find

        self.one = find(case)
        self.settings = settings(self.one, list(self.one.modalities))

    def fit(self, train: Any, held: Any, folder: Path) -> None:
        """Saved by ``fit`` itself."""
        from mm_core import MultiModalPredictor

        self.predictor = MultiModalPredictor(
            label=self.one.label,
            hyperparameters=self.settings,
            path=folder / "model",
            verbosity=0,
        ).fit(train, tuning_data=held, seed=0)

    def predict(self, frame: Any) -> Any:
        """As users call it."""
        return self.predictor.predict(frame)


def _periodic(one: BenchmarkSet, train: Any) -> Any:
    from benchmarks.bare.periodic import PeriodicTable

    return PeriodicTable(one, train)


def load_modules(side: str, modalities: list[str]) -> None:
    """Import all that a side will need."""
    common, parts = (BARE, BARE_PARTS) if side == "bare" else (OURS, OURS_PARTS)
    for name in (*common, *(module for modality in modalities for module in parts[modality])):
        import_module(name)


def measure(side: str, case: str, rows: Path) -> dict[str, float]:
    """Seconds on the wall and of the processor (user + system), and peak memory in MB."""
    found: dict[str, float] = {}
    _clock(found, "import", lambda: load_modules(side, list(find(case).modalities)))
    found["import_peak_mb"] = _peak_mb()

    import pandas as pd

    one: Side = Bare(case) if side == "bare" else Ours(case)
    train, held, ask = (pd.read_csv(rows / f"{name}.csv") for name in ("train", "held", "ask"))
    with tempfile.TemporaryDirectory() as folder:
        _clock(found, "fit", lambda: one.fit(train, held, Path(folder)))
        found["fit_peak_mb"] = _peak_mb()
    _clock(found, "first_predict", lambda: one.predict(ask))
    warm = [_clock({}, "warm", lambda: one.predict(ask)) for _ in range(WARM_CALLS)]
    single = ask.head(1)
    one.predict(single)
    quick = [_clock({}, "one", lambda: one.predict(single)) for _ in range(ONE_ROW_CALLS)]
    for key, calls in (("predict", warm), ("one_row", quick)):
        found[f"{key}_seconds"] = statistics.median(wall for wall, _ in calls)
        found[f"{key}_cpu_seconds"] = statistics.fmean(cpu for _, cpu in calls)
    found["peak_mb"] = _peak_mb()
    found["cpu_seconds"] = _cpu()
    return found


def _clock(found: dict[str, float], name: str, call: Callable[[], Any]) -> tuple[float, float]:
    """Wall and processor seconds of a call, noted under its name too."""
    wall, cpu = time.perf_counter(), _cpu()
    call()
    took = time.perf_counter() - wall, _cpu() - cpu
    found[f"{name}_seconds"], found[f"{name}_cpu_seconds"] = took
    return took


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_mb() -> float:
    """Largest resident memory so far; Linux counts in KiB, macOS in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", required=True, choices=("bare", "ours"))
    parser.add_argument("--case", required=True)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="file to write; none: print")
    arguments = parser.parse_args()
    text = json.dumps(measure(arguments.side, arguments.case, arguments.rows), indent=1)
    if arguments.out is None:
        print(text)
    else:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
