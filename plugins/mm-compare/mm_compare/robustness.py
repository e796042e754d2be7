"""What a model scores when some of its inputs, or some of their cells, are missing."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api import ConfigError
from mm_core.api.tools import MultiModalPredictor, model_of, read_rows, registry_of


def robustness(
    predictor: MultiModalPredictor,
    data: Any,
    shares: Sequence[float] = (0.25, 0.5, 0.75),
    seed: int = 0,
    metric: str | None = None,
) -> pd.DataFrame:
    """Scores with each subset of the inputs, and with a share of each row's inputs missing.

    Missing cells are missing for the model as in any table: each backbone knows how it takes them.

    Args:
        predictor: with a model.
        data: rows with the label.
        shares: of inputs that are taken from rows at random, 0..1; a row keeps at least one.
        seed: of what is taken.
        metric: name; None: that of the model.

    Returns:
        ``kept`` (names of inputs, joined by +), ``missing`` (share of the others' cells that are
        missing, or of all at random), and the score. The first row has all inputs.

    Raises:
        ConfigError: a share is not within 0..1.
    """
    for share in shares:
        if not 0 <= share <= 1:
            raise ConfigError(f"a share of {share}", value=share, remedy="give shares of 0 to 1")
    table = read_rows(data, registry_of(predictor)).table
    columns = _columns(predictor)
    every = frozenset(columns)
    found = []
    for size in range(len(columns), 0, -1):
        for kept in itertools.combinations(columns, size):
            gone = {name: np.ones(len(table), dtype=bool) for name in every - set(kept)}
            score = _score(predictor, table, columns, gone, metric)
            found.append({"kept": "+".join(kept), "missing": 1.0 if gone else 0.0} | score)
    for share in shares:
        gone = _at_random(list(columns), len(table), share, seed)
        score = _score(predictor, table, columns, gone, metric)
        found.append({"kept": "at random", "missing": float(share)} | score)
    return pd.DataFrame(found)


def _columns(predictor: MultiModalPredictor) -> dict[str, tuple[str, ...]]:
    """Input -> its columns."""
    recipe = model_of(predictor).recipe
    return {name: tuple(part.columns) for name, part in recipe.inputs.items()}


def _at_random(names: list[str], n: int, share: float, seed: int) -> dict[str, np.ndarray]:
    """bool [N] for each input, where it is taken away; a row that would lose all keeps one."""
    rng = np.random.default_rng((seed, 29))
    gone = rng.random((n, len(names))) < share
    spared = rng.integers(0, len(names), n)
    everything = gone.all(axis=1)
    gone[everything, spared[everything]] = False
    return {name: gone[:, position] for position, name in enumerate(names)}


def _score(
    predictor: MultiModalPredictor,
    table: Any,
    columns: Mapping[str, Sequence[str]],
    gone: Mapping[str, np.ndarray],
    metric: str | None,
) -> dict[str, float]:
    frame = table.frame.copy()
    for name, rows in gone.items():
        for column in columns[name]:
            frame[column] = frame[column].mask(rows)
    scores = predictor.evaluate(type(table)(frame, table.folder), metric)
    name = next(iter(scores))
    return {name: float(scores[name])}
