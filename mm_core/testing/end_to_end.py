"""A component through the predictor: fit, save, load in a new process, predict the same."""

from __future__ import annotations

import importlib
import json
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api.errors import MMWarning
from mm_core.predictor import MultiModalPredictor
from mm_core.scoring import short_name
from mm_core.testing import fresh
from mm_core.testing.alike import alike, plain
from mm_core.testing.kit import KIT
from mm_core.testing.kit_points import WIDTH
from mm_core.testing.outcome import expect
from mm_core.testing.subject import Subject

N_ROWS = 64
_PLACES = 16
_MIXED = 10
_CLEARLY = 4.0
"""Standard deviations by which the score is to lead those on mixed-up labels."""

BRIEF = {
    "training.epochs": 15,
    "training.batch_size": 16,
    "training.learning_rate": 1e-2,
    "training.head_learning_rate": 1e-2,
    "training.patience": 15,
}
"""Settings of a short training."""


@dataclass(frozen=True)
class Job:
    """A fit.

    Attributes:
        labels: by column.
        problem_type: the task, or None.
        settings: of the recipe.
        rows: ``"module:function"`` of (subject, folder) -> the columns to learn from; a name,
            because the new process calls it again. Files of cells go into the folder.
        column_types: column -> modality and kind, where detection is not the point.
        roles: role of the task -> its columns.
        brief: settings besides, where ``settings`` does not say others.
    """

    labels: Mapping[str, Sequence[Any]]
    problem_type: str | None
    settings: Mapping[str, Any]
    rows: str
    column_types: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    brief: Mapping[str, Any] = field(default_factory=lambda: BRIEF)


def points(labels: Mapping[str, Sequence[Any]], sides: Sequence[str]) -> pd.DataFrame:
    """Columns of points: each label has a few places of its own, which no untrained model sorts."""
    rows = [repr(row) for row in zip(*labels.values(), strict=True)] or ["none"] * N_ROWS
    places = max(1, _PLACES // len(set(rows)))
    keys = [f"{key} {row // len(set(rows)) % places}" for row, key in enumerate(rows)]
    rng = np.random.default_rng(0)
    columns = {}
    for side in sides:
        centres = {key: rng.normal(size=WIDTH) for key in sorted(set(keys))}
        cells = [centres[key] + 0.1 * rng.normal(size=WIDTH) for key in keys]
        columns[side] = [f"{side} " + " ".join(f"{x:.4f}" for x in cell) for cell in cells]
    return pd.DataFrame(columns)


def repeated(labels: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """The labels over and over, until there are ``N_ROWS`` rows or more."""
    n = min(map(len, labels.values()), default=1)
    times = -(-N_ROWS // n)
    return {name: list(values) * times for name, values in labels.items()}


def cells(labels: Mapping[str, Sequence[Any]]) -> dict[str, pd.Series]:
    """The labels as columns; a list or an array is one cell."""
    return {name: pd.Series(list(values)) for name, values in labels.items()}


def learns(subject: Subject[Any], job: Job, metrics: Sequence[str] = ()) -> None:
    """Fits; scores better on its rows than on mixed-up labels; predicts the same when loaded.

    Args:
        subject: what is tried.
        job: the fit.
        metrics: that are better on the right labels too, beside the one of the fit.
    """
    with tempfile.TemporaryDirectory(prefix="mm-check-") as name, quiet():
        rows, predictor = fitted(subject, job, Path(name))
        frame = rows.assign(**cells(job.labels))
        right = _scores(predictor, frame, metrics)
        wrong = [_scores(predictor, _mixed(frame, job, seed), metrics) for seed in range(_MIXED)]
        for metric, score in right.items():
            others = [scores[metric] for scores in wrong]
            sign = 1 if predictor._metrics.higher_is_better(metric) else -1
            lead = sign * (score - np.mean(others))
            expect(
                lead > _CLEARLY * np.std(others) and lead > 0,
                f"after a fit {metric} is {score:.4g} on the labels learned and "
                f"{np.mean(others):.4g} (+- {np.std(others):.2g}) on mixed ones: nothing was "
                "learned",
            )
        _same_when_loaded(subject, predictor, rows, job, Path(name))


def runs(subject: Subject[Any], job: Job) -> None:
    """Fits for an epoch, and predicts the same when loaded in a new process."""
    with tempfile.TemporaryDirectory(prefix="mm-check-") as name, quiet():
        rows, predictor = fitted(subject, job, Path(name))
        _same_when_loaded(subject, predictor, rows, job, Path(name))


def predict_again(subject: Subject[Any], given: fresh.Arrays) -> fresh.Arrays:
    """In the new process: load the model and predict the rows, both found by ``given``."""
    folder = Path(fresh.as_text(given["folder"]))
    rows = _rows(subject, fresh.as_text(given["rows"]), folder)
    with quiet():
        return _answers(loaded(subject, folder), rows)


def loaded(subject: Subject[Any], folder: Path) -> MultiModalPredictor:
    """The model that :func:`fitted` saved into the folder."""
    return MultiModalPredictor.load(folder / "model", plugins=[KIT, *subject.files])


def fitted(
    subject: Subject[Any], job: Job, folder: Path
) -> tuple[pd.DataFrame, MultiModalPredictor]:
    """Rows and the predictor fitted on them with their labels, saved as ``folder / "model"``."""
    rows = _rows(subject, job.rows, folder)
    predictor = predictor_of(subject, job, folder / "model")
    frame = rows.assign(**cells(job.labels))
    return rows, predictor.fit(frame, column_types=job.column_types)


def predictor_of(subject: Subject[Any], job: Job, path: Path | None = None) -> MultiModalPredictor:
    """The predictor of a fit, before it."""
    labels = list(job.labels)
    return MultiModalPredictor(
        label=labels[0] if len(labels) == 1 else labels or None,
        problem_type=job.problem_type,
        hyperparameters={**job.brief, **job.settings},
        path=path,
        verbosity=0,
        plugins=[KIT, *subject.files],
        roles=job.roles,
    )


def _mixed(frame: pd.DataFrame, job: Job, seed: int) -> pd.DataFrame:
    """The rows with each other's labels."""
    order = np.random.default_rng(seed).permutation(len(frame))
    return frame.assign(**{key: frame[key].to_numpy()[order] for key in job.labels})


def _rows(subject: Subject[Any], target: str, folder: Path) -> pd.DataFrame:
    module, _, function = target.partition(":")
    rows: pd.DataFrame = getattr(importlib.import_module(module), function)(subject, folder)
    return rows


def _scores(
    predictor: MultiModalPredictor, frame: pd.DataFrame, more: Sequence[str]
) -> dict[str, float]:
    """Metric id -> score, of that of the fit and ``more``."""
    metrics = dict.fromkeys([predictor.recipe.data.eval_metric, *more])
    found = predictor.evaluate(frame, metrics=list(metrics))
    return {metric: float(found[short_name(metric)]) for metric in metrics}


def _same_when_loaded(
    subject: Subject[Any],
    predictor: MultiModalPredictor,
    rows: pd.DataFrame,
    job: Job,
    folder: Path,
) -> None:
    wanted = _answers(predictor, rows)
    _same_in_any_order(predictor, rows, wanted)
    given = {"folder": fresh.as_bytes(str(folder)), "rows": fresh.as_bytes(job.rows)}
    found = fresh.run(subject, "mm_core.testing.end_to_end:predict_again", given)
    again, before = (json.loads(fresh.as_text(one["answer"])) for one in (found, wanted))
    expect(
        alike(again, before, near=1e-6),
        "saved and loaded in a new process, it predicts something else",
    )
    off = _apart(found, wanted)
    expect(off <= 1e-6, f"saved and loaded in a new process, embeddings differ by {off:.3g}")


def _same_in_any_order(
    predictor: MultiModalPredictor, rows: pd.DataFrame, wanted: fresh.Arrays
) -> None:
    """Some rows, in another order, get the answers that they have among all."""
    order = np.random.default_rng(0).permutation(len(rows))[: len(rows) // 2]
    found = _answers(predictor, rows.iloc[order])
    whole = json.loads(fresh.as_text(wanted["answer"]))
    expect(
        alike(json.loads(fresh.as_text(found["answer"])), [whole[row] for row in order]),
        "half of the rows, in another order, get other answers",
    )
    off = _apart(found, {name: array[order] for name, array in wanted.items() if name != "answer"})
    expect(off <= 1e-4, f"half of the rows, in another order: embeddings differ by {off:.3g}")


def _answers(predictor: MultiModalPredictor, frame: pd.DataFrame) -> fresh.Arrays:
    answer = pd.DataFrame(predictor.predict(frame))
    expect(len(answer) == len(frame), f"{len(answer)} answers for {len(frame)} rows")
    found = {"answer": fresh.as_bytes(json.dumps(plain(answer.to_numpy())))}
    if predictor._model.engine.embeddings:
        found["embedding"] = np.asarray(predictor.extract_embedding(frame))
    return found


def _apart(found: fresh.Arrays, wanted: fresh.Arrays) -> float:
    """By how much embeddings differ; 0 of a model that has none."""
    if "embedding" not in wanted:
        return 0.0
    return float(np.abs(found["embedding"] - wanted["embedding"]).max())


@contextmanager
def quiet() -> Iterator[None]:
    """Warnings of the product about the samples are not the point here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MMWarning)
        yield
