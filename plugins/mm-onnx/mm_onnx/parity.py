"""How near a graph is to the model that it was made of, and how fast both answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
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
COVERED = 0.99
"""Masks are equal where of each class so much of what either covers both do (IoU)."""


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
        postprocessed: share of rows for which the task makes the model's own answer of the model's
            own arrays.
    """

    rows: int
    max_abs_diff: float
    drift: float
    label_agreement: float
    one_row_ms: dict[str, float]
    rows_per_second: dict[str, float]
    postprocessed: float = 1.0

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
    """Refuse what gives other outputs than the model: in 32 bits by numbers, in fewer by answers.

    Args:
        parity: of what was read back.
        settings: of an exporter: ``precision``, ``tolerance``, ``agreement``.
        what: it is, for the message.
        plugin: that asks, for the message.

    Raises:
        ArtifactError: it drifts.
    """
    if parity.postprocessed < settings.agreement:
        raise ArtifactError(
            f"Task.postprocess makes other answers of Topology.arrays than predict gives, in "
            f"{1 - parity.postprocessed:.1%} of {parity.rows} rows",
            plugin=plugin,
            value=parity.postprocessed,
            remedy="use the model itself; the task's author finds what is wrong by `mm plugins "
            "check PLUGIN` (arrays_become_what_it_predicts), or allow it: agreement=...",
        )
    full = settings.precision == "32"
    if full and not parity.drift <= settings.tolerance:
        raise ArtifactError(
            f"outputs of the {what} differ from the model's by {parity.max_abs_diff:.3g}",
            plugin=plugin,
            value=parity.max_abs_diff,
            remedy="use the model itself, or allow it: tolerance=...",
        )
    if not full and parity.label_agreement < settings.agreement:
        raise ArtifactError(
            f"in {settings.precision} the {what} gives another answer than the model in "
            f"{1 - parity.label_agreement:.1%} of {parity.rows} rows",
            plugin=plugin,
            value=parity.label_agreement,
            remedy="export with precision='32', or allow it: agreement=...",
        )


def _compared(ours: Running, theirs: Running, sample: Any) -> Parity:
    off, drift, same, kept = 0.0, 0.0, [], []
    model = ours[0]
    things = getattr(getattr(model.engine, "topology", None), "things", ())
    frame = model.pipeline.encode(sample)
    for batch, wanted, found in _pairs(ours, theirs, frame):
        answer = _answer(*ours, batch)
        kept.append(equal(answer, _postprocessed(model, wanted, batch)))
        same.append(equal(answer, _postprocessed(theirs[0], found, batch)))
        found |= in_order(wanted, found, [name for name in things if name in wanted])
        for key, value in wanted.items():
            off_by = apart(value, found[key])
            off = max(off, off_by)
            drift = max(drift, off_by / max(1.0, float(np.abs(value).max(initial=0.0))))
    one, many = _speed(ours, theirs, frame)
    agreement, postprocessed = (float(np.concatenate(rows).mean()) for rows in (same, kept))
    return Parity(len(sample), off, drift, agreement, one, many, postprocessed)


def apart(wanted: np.ndarray, found: np.ndarray) -> float:
    """The largest difference; infinite where one of the two is no number."""
    with np.errstate(invalid="ignore"):  # of two infinite ones
        off = np.abs(wanted.astype(float) - found)
    off[(wanted == found) | (np.isnan(wanted) & np.isnan(found))] = 0.0
    return float(np.nan_to_num(off, nan=np.inf).max(initial=0.0))


def in_order(
    wanted: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray], things: Sequence[str]
) -> dict[str, np.ndarray]:
    """What was found of things in no order, each moved to the place of that which it is nearest to.

    A network that keeps its best queries gives two in turn where their scores are equal to
    rounding. Whole things move: what all arrays say of one.

    Args:
        wanted: arrays by name.
        found: likewise.
        things: names of those [B, n, ...] that say of the same n things.
    """
    moved = {name: found[name].copy() for name in things}
    for row in range(len(wanted[things[0]]) if things else 0):
        a, b = (
            np.concatenate([one[name][row].reshape(len(one[name][row]), -1) for name in things], 1)
            for one in (wanted, found)
        )
        (left,) = np.nonzero(~(np.abs(a - b).max(axis=1, initial=0.0) <= CLOSE))
        order, free = np.arange(len(a)), left.tolist()
        for place in left:
            nearest = int(np.argmin(np.abs(b[free] - a[place]).max(axis=1)))
            order[place] = free.pop(nearest)
        for name in things:
            moved[name][row] = found[name][row][order]
    return moved


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
    """Whether two cells are equal, but for roundings of the numbers in them; masks by
    :func:`_alike`.
    """
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        same = wanted.keys() == found.keys()
        return same and all(_near(wanted[key], found[key]) for key in wanted)
    if isinstance(wanted, list | tuple) and isinstance(found, list | tuple):
        return len(wanted) == len(found) and all(map(_near, wanted, found))
    if isinstance(wanted, float | np.floating) and isinstance(found, float | np.floating):
        return bool(np.isclose(wanted, found, rtol=CLOSE, atol=CLOSE, equal_nan=True))
    if isinstance(wanted, np.ndarray) and isinstance(found, np.ndarray):
        return wanted.shape == found.shape and _alike(wanted, found)
    if not (pd.api.types.is_scalar(wanted) and pd.api.types.is_scalar(found)):
        return type(wanted) is type(found) and bool(np.all(wanted == found))
    if pd.isna(wanted) or pd.isna(found):
        return bool(pd.isna(wanted) and pd.isna(found))
    return bool(wanted == found) or _near_json(wanted, found)


def _alike(wanted: np.ndarray, found: np.ndarray) -> bool:
    """Numbers that are near, or masks in which each class covers nearly the same places."""
    if wanted.dtype.kind == "f":
        return bool(np.allclose(wanted, found, rtol=CLOSE, atol=CLOSE, equal_nan=True))
    values = np.union1d(wanted, found)
    for value in values if (wanted != found).any() else ():
        a, b = wanted == value, found == value
        if np.count_nonzero(a & b) < COVERED * np.count_nonzero(a | b):
            return False
    return True


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


def _postprocessed(model: Any, arrays: Mapping[str, Any], batch: Any) -> pd.DataFrame:
    """What the task makes of arrays.

    Raises:
        ArtifactError: it cannot read what it makes of them itself.
    """
    task, options = model.pipeline.task, model.pipeline.options
    given = {name: one for name, one in arrays.items() if not name.startswith(VECTORS)}
    try:
        outputs = dict(task.postprocess(given, batch, options))
        answer: pd.DataFrame = model.pipeline.decode(outputs, batch.meta, options).answer
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{type(task).__name__} cannot make answers of {', '.join(given)}, which arrays() of "
            f"its topology gives: {type(error).__name__}: {error}",
            value=list(given),
            remedy="use the model itself; its author overrides Task.postprocess to give what "
            "Topology.predict gives, see `mm plugins check PLUGIN`",
        ) from error
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
