"""Small tables that scikit-learn brings: few rows are held out, and most are easy."""

from __future__ import annotations

import pandas as pd
from sklearn import datasets
from sklearn.model_selection import train_test_split

from benchmarks.rows import Rows, with_held_out
from benchmarks.sets import BenchmarkSet, Budget


def small_set(name: str, n_rows: int) -> BenchmarkSet:
    """``name`` as in ``sklearn.datasets.load_<name>``."""
    frame = _frame(name)
    return BenchmarkSet(
        name=f"{name}@{n_rows}",
        label="target",
        metric="accuracy",
        budget=Budget(epochs=50, batch_size=32, max_rows=n_rows),
        numbers=tuple(frame.columns.drop("target")),
    )


def draw_small(one: BenchmarkSet, seed: int) -> Rows:
    """As many rows as the set says, all others to score on."""
    frame = _frame(one.folder)
    given, test = train_test_split(
        frame, train_size=one.budget.max_rows, random_state=seed, stratify=frame["target"]
    )
    return with_held_out(given, test, one, seed)


def _frame(name: str) -> pd.DataFrame:
    frame: pd.DataFrame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    return frame.assign(target="class " + frame["target"].astype(str))
