"""Which rows each side sees: drawn once per (set, seed), the same for both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score
from sklearn.model_selection import train_test_split

from benchmarks.sets import BenchmarkSet


@dataclass(frozen=True)
class Rows:
    """Frames with the label: to train on, to choose the best epoch on, to score at the end."""

    train: pd.DataFrame
    held: pd.DataFrame
    test: pd.DataFrame


def draw(one: BenchmarkSet, data: Path, seed: int, development: bool = False) -> Rows:
    """Rows of a set.

    Args:
        one: the set.
        data: folder of the sets.
        seed: of the draw.
        development: score on a quarter of train.csv, drawn by the seed, and leave test.csv
            unread: whatever is to be chosen is chosen so.
    """
    folder = data / one.folder
    frame = read(folder / "train.csv", one)
    if development:
        frame, test = split(frame, one, 0.25, seed)
    else:
        test = read(folder / "test.csv", one)
    if len(frame) > one.budget.max_rows:
        frame = frame.sample(one.budget.max_rows, random_state=seed)
    return with_held_out(frame, test, one, seed)


def with_held_out(given: pd.DataFrame, test: pd.DataFrame, one: BenchmarkSet, seed: int) -> Rows:
    """The rows that are given, some of them held out, and those to score at the end."""
    train, held = split(given, one, held_share(len(given)), seed)
    return Rows(*(part.reset_index(drop=True) for part in (train, held, test)))


def held_share(n_rows: int) -> float:
    """The product's default, told again: the bare side imports this file and not the product."""
    return max(0.1, min(0.2, 500 / n_rows))


def score(one: BenchmarkSet, truth: pd.Series, answer: np.ndarray) -> float:
    """Score of answers [N]: labels, or for roc_auc the probability of the later class."""
    if one.metric == "accuracy":
        return float(accuracy_score(truth, answer))
    if one.metric == "roc_auc":
        return float(roc_auc_score(truth, answer))
    return float(r2_score(truth, answer))


def read(file: Path, one: BenchmarkSet) -> pd.DataFrame:
    """A CSV without the ignored columns, image paths made absolute."""
    frame = pd.read_csv(file).drop(columns=list(one.ignored))
    if one.image:
        frame[one.image] = str(file.parent.resolve()) + "/" + frame[one.image]
    return frame


def split(
    frame: pd.DataFrame, one: BenchmarkSet, share: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    strata = None if one.metric == "r2" else frame[one.label]
    rest, drawn = train_test_split(frame, test_size=share, random_state=seed, stratify=strata)
    return rest, drawn
