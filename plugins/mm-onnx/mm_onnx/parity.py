"""How near a graph is to the model that it was made of, and how fast both answer."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api import ArtifactError, RunSettings
from mm_onnx.arrays import VECTORS

FULL = RunSettings(device="cpu", precision="32")
Running = tuple[Any, RunSettings]
"""A model, and how it is run."""

REPEATS = 5
CLOSE = 1e-3
"""Answers that are numbers are equal where they differ by no larger share of themselves."""


@dataclass(frozen=True)
class Parity:
    """What came of a comparison on the sample rows.

    Attributes:
        rows: how many.
        max_abs_diff: of outputs and vectors.
        drift: the same, of numbers above 1 as a share of the largest of their output.
        label_agreement: share of equal answers.
        one_row_ms: milliseconds of one row through the engine alone: of the model, of the graph.
        rows_per_second: likewise, of all rows.
    """

    rows: int
    max_abs_diff: float
    drift: float
    label_agreement: float
    one_row_ms: dict[str, float]
    rows_per_second: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """By name; what was measured rounded."""
        return asdict(self)


def compare(model: Any, read: Any, sample: Any, theirs: RunSettings = FULL) -> Parity:
    """Of a model, in 32 bits on the CPU, and what was read back.

    Args:
        model: stays where it is, on a GPU too.
        read: the model with the graph.
        sample: rows.
        theirs: how what was read back is run.
    """
    home = getattr(model.engine, "device", None)
    try:
        return _compared((model, FULL), (read, theirs), sample)
    finally:
        if home is not None:
            model.topology.to(home)


def refuse_drift(
    parity: Parity, settings: Any, what: str = "graph", plugin: str | None = None
) -> None:
    """Refuse what gives other outputs than the model, in 32 bits by numbers, or other answers.

    Args:
        parity: of what was read back.
        settings: of an exporter: ``precision``, ``tolerance``, ``agreement``.
        what: it is, for the message.
        plugin: that asks, for the message.

    Raises:
        ArtifactError: it drifts.
    """
    full = settings.precision == "32"
    if full and not parity.drift <= settings.tolerance:
        raise ArtifactError(
            f"outputs of the {what} differ from the model's by {parity.max_abs_diff:.3g}",
            plugin=plugin,
            value=parity.max_abs_diff,
            remedy="use the model itself, or allow it: tolerance=...",
        )
    other = "use the model itself" if full else "export with precision='32'"
    if parity.label_agreement < settings.agreement:
        raise ArtifactError(
            f"in {settings.precision} the {what} gives another answer than the model in "
            f"{1 - parity.label_agreement:.1%} of {parity.rows} rows",
            plugin=plugin,
            value=parity.label_agreement,
            remedy=f"{other}, or allow it: agreement=...",
        )


def _compared(ours: Running, theirs: Running, sample: Any) -> Parity:
    off, drift, same = 0.0, 0.0, []
    model = ours[0]
    frame = model.pipeline.encode(sample)
    for batch, wanted, found in _pairs(ours, theirs, frame):
        for key, value in wanted.items():
            off_by = apart(value.astype(float), found[key])
            off = max(off, off_by)
            drift = max(drift, off_by / max(1.0, float(np.abs(value).max(initial=0.0))))
        same.append(equal(*(_answer(*one, batch) for one in (ours, theirs))))
    one, many = _speed(ours, theirs, frame)
    return Parity(len(sample), off, drift, float(np.concatenate(same).mean()), one, many)


def apart(wanted: np.ndarray, found: np.ndarray) -> float:
    """The largest difference; of things in a row [B, things, ...], in whatever order they are.

    A network that keeps its best queries gives two in turn where their scores are equal to
    rounding. That each thing is whole, answers show.
    """
    as_they_are = float(np.abs(wanted - found).max(initial=0.0))
    if wanted.ndim < 3 or as_they_are <= CLOSE:
        return as_they_are
    ordered = np.abs(np.sort(wanted, axis=1) - np.sort(found, axis=1))
    return min(as_they_are, float(ordered.max(initial=0.0)))


def equal(wanted: pd.DataFrame, found: pd.DataFrame) -> np.ndarray:
    """bool [N]: rows with equal answers; of numbers, in lists and JSON too, nearly equal ones."""
    columns = []
    for name in wanted.columns:
        a, b = wanted[name].to_numpy(), found[name].to_numpy()
        if a.dtype.kind == "f":
            columns.append(np.isclose(a, b, rtol=CLOSE, atol=CLOSE))
        else:
            columns.append(np.array([_near(*cells) for cells in zip(a, b, strict=True)]))
    return np.stack(columns).all(axis=0)


def _near(wanted: Any, found: Any) -> bool:
    """Whether two cells are equal, but for roundings of the numbers in them, and a thousandth of
    the places of a mask.
    """
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        same = wanted.keys() == found.keys()
        return same and all(_near(wanted[key], found[key]) for key in wanted)
    if isinstance(wanted, list | tuple) and isinstance(found, list | tuple):
        return len(wanted) == len(found) and all(map(_near, wanted, found))
    if isinstance(wanted, float) and isinstance(found, float):
        return math.isclose(wanted, found, rel_tol=CLOSE, abs_tol=CLOSE)
    if isinstance(wanted, np.ndarray) and isinstance(found, np.ndarray):
        alike = wanted.shape == found.shape
        return alike and bool(np.count_nonzero(wanted != found) <= CLOSE * wanted.size)
    if not (pd.api.types.is_scalar(wanted) and pd.api.types.is_scalar(found)):
        return False  # of two kinds, such as a mask and none
    if pd.isna(wanted) or pd.isna(found):
        return bool(pd.isna(wanted) and pd.isna(found))
    return bool(wanted == found) or _near_json(wanted, found)


def _near_json(wanted: Any, found: Any) -> bool:
    """Whether two texts are JSON of lists or objects that are nearly equal."""
    if not (isinstance(wanted, str) and isinstance(found, str)):
        return False
    try:
        read = json.loads(wanted), json.loads(found)
    except ValueError:
        return False
    return isinstance(read[0], list | dict) and _near(*read)


def _pairs(ours: Running, theirs: Running, frame: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Batches with arrays and vectors of both."""
    model, (read, settings) = ours[0], theirs
    size = read.engine.batch_size(model.recipe.training.batch_size, settings)
    for batch, _ in model.pipeline.arrays(frame, size):
        yield batch, _arrays(*ours, batch), _arrays(*theirs, batch)


def _answer(model: Any, settings: RunSettings, batch: Any) -> pd.DataFrame:
    options = model.pipeline.options
    with model.engine.running(settings):
        outputs = model.engine.run(batch, options, settings)
    answer: pd.DataFrame = model.pipeline.decode(outputs, batch.meta, options).answer
    return answer


def _arrays(model: Any, settings: RunSettings, batch: Any) -> dict[str, Any]:
    engine = model.engine
    with engine.running(settings):
        found = dict(engine.arrays(batch, model.pipeline.options, settings))
        for name in engine.embeddings:
            found[f"{VECTORS}{name}"] = engine.embed(batch, name, settings)
    return found


def _speed(ours: Running, theirs: Running, frame: Any) -> tuple[dict[str, float], dict[str, float]]:
    """Of the engines alone, warm: the best of a few times."""
    model = ours[0]
    size = min(frame.n_rows, model.recipe.training.batch_size)
    single, _ = model.pipeline.batch(frame, np.arange(1))
    several, _ = model.pipeline.batch(frame, np.arange(size))
    one, many = {}, {}
    for name, answering in (("model", ours), ("graph", theirs)):
        one[name] = round(_seconds(*answering, single) * 1000, 3)
        many[name] = round(size / _seconds(*answering, several), 1)
    return one, many


def _seconds(model: Any, settings: RunSettings, batch: Any) -> float:
    taken = []
    with model.engine.running(settings):
        for _ in range(REPEATS):
            started = time.perf_counter()
            model.engine.run(batch, model.pipeline.options, settings)
            taken.append(time.perf_counter() - started)
    return min(taken)
