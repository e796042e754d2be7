"""A model at work on a user's data, which may be larger than memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from mm_core.api.config import suggest
from mm_core.api.engine import RunSettings
from mm_core.api.errors import BadCell, ColumnError, ConfigError, MMWarning, report_bad
from mm_core.api.processors import Table
from mm_core.api.specs import TaskSpec
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.data.chunks import read_chunks
from mm_core.data.rows import Rows, read_rows
from mm_core.data.unlike import Strangers
from mm_core.data.write import Sink, Written, check_ending, new_folder, sink, writing_into
from mm_core.plugins.offered import read_options
from mm_core.processes import one_fit_at_a_time
from mm_core.recipe.request import Request
from mm_core.session.arguments import check_on_error
from mm_core.session.following import planned
from mm_core.session.session import Held, Session

if TYPE_CHECKING:
    from mm_core.inference import Joined
    from mm_core.model import Model
    from mm_core.scoring import Scorer


TABLE = "answers.csv"
"""In a folder of answers that are files: what stands for each."""


@dataclass(frozen=True)
class Asked:
    """How rows are to be answered.

    Attributes:
        on_error: what is done about cells that cannot be read.
        options: of the task, as given.
        settings: batch size, device, precision.
        own: what the predictor was made with, for tasks that need not be fitted.
        keep: columns of the data that stand before the answers.
    """

    on_error: str = "raise"
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: RunSettings = field(default_factory=RunSettings)
    own: Request = field(default_factory=Request)
    keep: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, on_error: str, given: Mapping[str, Any], own: Request, keep: tuple[str, ...] = ()
    ) -> Self:
        """From a call's arguments: those of :class:`RunSettings`, and options of the task."""
        run = {one.name: given.get(one.name) for one in fields(RunSettings)}
        options = {name: value for name, value in given.items() if name not in run}
        return cls(check_on_error(on_error), options, RunSettings(**run), own, keep)


def answer(session: Session, data: Any, asked: Asked) -> pd.DataFrame:
    """One answer per row of all of the data, in order, below the caller's index."""
    rows, found = _answered(session, data, asked)
    return _beside_kept(found.answer, rows, asked)


def answer_proba(session: Session, data: Any, asked: Asked, *, positive_only: bool) -> pd.DataFrame:
    """The probabilities, likewise; of two classes only the second's, where that is asked for."""
    rows, found = _answered(session, data, asked)
    proba = probabilities(session, found)
    one_of_two = found.exclusive and proba.shape[1] == 2
    return _beside_kept(proba.iloc[:, 1:] if one_of_two and positive_only else proba, rows, asked)


def _answered(session: Session, data: Any, asked: Asked) -> tuple[Rows, Joined]:
    rows = read_rows(data, session.registry, empty=session.held is not None)
    strangers = Strangers()
    found = _joined(session, rows, asked, strangers)
    strangers.tell()
    return rows, found


def write_answers(session: Session, data: Any, out: Path, asked: Asked, *, proba: bool) -> Written:
    """Answers, or probabilities, of a table larger than memory, written as they come."""
    if not out.suffix and not proba:
        return _write_files(session, data, out, asked)
    strangers = Strangers()

    def answers(rows: Rows, start: int) -> pd.DataFrame:
        found = _joined(session, rows, asked, strangers)
        return probabilities(session, found) if proba else found.answer

    with sink(out) as file:
        written = _write(session, data, out, asked, file, answers)
    strangers.tell()
    return written


def _write_files(session: Session, data: Any, out: Path, asked: Asked) -> Written:
    """Answers that no table can hold as files in a new folder, and a table that names them.

    They are written a window of rows at a time, and never stand in memory together.
    """
    from mm_core.inference import joined

    strangers = Strangers()
    with new_folder(out) as folder, sink(folder / TABLE) as file:

        def answers(rows: Rows, start: int) -> pd.DataFrame:
            _check_kept(rows, asked)
            model = answering(session, rows.table, asked)
            save = _saver(session, model, out)
            if not len(rows):  # the names of the columns are written, as for a table of answers
                return _answer_of_none(session, rows, asked).answer
            frame = model.pipeline.encode(session.aligned(rows.table, model.recipe))
            strangers.add(frame)
            parts = []
            for part in _stream(session, model, frame, asked):
                with writing_into(out):
                    saved = save(part.decoded.answer, start + part.rows, folder)
                decoded = replace(part.decoded, answer=saved, views={}, proba=None)
                parts.append(replace(part, decoded=decoded))
            found = joined(parts, frame)
            report_bad(found.bad, asked.on_error)
            return found.answer

        written = _write(session, data, out, asked, file, answers)
    strangers.tell()
    return written


def _write(
    session: Session,
    data: Any,
    out: Path,
    asked: Asked,
    file: Sink,
    answers: Callable[[Rows, int], pd.DataFrame],
) -> Written:
    """A part of the data at a time: ``answers`` gets its rows, and how many were before them."""
    n_rows, columns = 0, tuple[str, ...]()
    for rows in read_chunks(data, session.registry, empty=session.held is not None):
        frame = _beside_kept(answers(rows, n_rows), rows, asked)
        file.write(frame)
        n_rows, columns = n_rows + len(frame), tuple(map(str, frame.columns))
    return Written(out, n_rows, columns)


def _saver(session: Session, model: Model, out: Path) -> Callable[..., pd.DataFrame]:
    """
    Raises:
        ConfigError: answers of this task go into a table.
    """
    task = session.registry.get(TaskSpec, model.recipe.task.id)
    if task.spec.saves is None:
        check_ending(out)
    saver: Callable[..., pd.DataFrame] = task.load("saves")
    return saver


def probabilities(session: Session, found: Joined) -> pd.DataFrame:
    """Of each class or label.

    Raises:
        ConfigError: the task gives none.
    """
    if found.proba is None:
        task = session.need_held().model.recipe.task.id
        raise ConfigError(f"{task} gives no probabilities", plugin=task, remedy="use predict()")
    return found.proba


def evaluate(
    session: Session, data: Any, metrics: Any, asked: Asked, *, return_pred: bool
) -> tuple[dict[str, float], pd.DataFrame | None]:
    """Scores by name, and the answers where they are wanted; rows a part at a time."""
    scorer, strangers = None, Strangers()
    answers: list[pd.DataFrame] = []
    for rows in read_chunks(data, session.registry):
        model = answering(session, rows.table, asked)
        if scorer is None:
            known = session.metrics.copy()
            task = session.registry.get(TaskSpec, model.recipe.task.id)
            named = known.asked(metrics, task, default=model.recipe.data.eval_metric)
            scorer = known.scorer(named.values(), model.task, model.recipe.loss_settings)
        labelled = session.labelled(rows.table, model.recipe)
        frame = model.pipeline.encode_with_targets(labelled)
        strangers.add(frame)
        parts, bad = [], []
        for part in _stream(session, model, frame, asked):
            scorer.update(frame, part.rows, part.decoded)
            bad += part.bad
            if return_pred:
                parts.append(part)
        _report(frame, bad, asked)
        if return_pred:
            answers.append(_together(parts, frame).set_axis(rows.index, axis=0))
    assert scorer is not None  # there is at least one part, or reading it has raised
    strangers.tell()
    return _scores(scorer, named), pd.concat(answers) if answers else None


def _scores(scorer: Scorer, named: Mapping[str, str]) -> dict[str, float]:
    """Short name -> score, and ``<name>.<detail>`` after each that has such."""
    found, details = scorer.compute(), scorer.details()
    scores = {}
    for name, metric in named.items():
        scores[name] = found[metric]
        scores |= {f"{name}.{detail}": value for detail, value in details[metric].items()}
    return scores


def embed(session: Session, data: Any, of: str | None, asked: Asked) -> tuple[np.ndarray, Rows]:
    """float32 [N, D], the vectors of that name, and the rows.

    Raises:
        ConfigError: an argument that it does not take, options of the task among them.
    """
    if asked.options:
        strange = next(iter(asked.options))
        known = ["as_pandas", "on_error", "of", *(one.name for one in fields(RunSettings))]
        near = suggest(strange, known)
        raise ConfigError(
            f"extract_embedding has no argument {strange!r}",
            value=strange,
            remedy=f"did you mean {near!r}?" if near else f"arguments: {', '.join(known)}",
        )
    rows = read_rows(data, session.registry, empty=session.held is not None)
    if not len(rows):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MMWarning)  # of cells that nobody gave
            return _vectors(session, _row_of_none(session, rows), of, asked)[:0], rows
    return _vectors(session, rows, of, asked), rows


def _vectors(session: Session, rows: Rows, of: str | None, asked: Asked) -> np.ndarray:
    from mm_core.inference import embed

    model = answering(session, rows.table, asked)
    frame = model.pipeline.encode(session.aligned(rows.table, model.recipe))
    vectors, bad = embed(model, frame, of, asked.settings)
    report_bad(bad, asked.on_error)
    strangers = Strangers()
    strangers.add(frame)
    strangers.tell()
    return vectors


def answering(session: Session, table: Table, asked: Asked) -> Model:
    """The model; of a task that need not be fitted it is built for these rows, once."""
    if session.held is None and session.cut_off is None and _needs_no_fit(session, asked.own):
        from mm_core.training.context import FitContext
        from mm_core.training.start import unfitted_model

        finder = CheckpointFinder(session.registry)
        recipe = planned(session, table, Request(learns=False).over(asked.own), finder)
        recipe = recipe.with_training({"epochs": 0}, "nothing was to be learned")
        context = FitContext(session.registry, finder, session.metrics, on_error=asked.on_error)
        with one_fit_at_a_time():
            model, result = unfitted_model(recipe, table, context)
        session.held = Held(model, result, learned=False)
    return session.need_held().model


def _needs_no_fit(session: Session, own: Request) -> bool:
    named = own.problem_type
    return named is not None and not session.registry.get(TaskSpec, named).spec.requires_fit


def _joined(session: Session, rows: Rows, asked: Asked, strangers: Strangers) -> Joined:
    from mm_core.inference import joined

    _check_kept(rows, asked)
    if not len(rows):
        return _answer_of_none(session, rows, asked)
    model = answering(session, rows.table, asked)
    frame = model.pipeline.encode(session.aligned(rows.table, model.recipe))
    strangers.add(frame)
    found = joined(list(_stream(session, model, frame, asked)), frame)
    report_bad(found.bad, asked.on_error)
    return found


def _answer_of_none(session: Session, rows: Rows, asked: Asked) -> Joined:
    """The answer of a table without rows: that of a row of missing cells, without the row.

    So it has the columns and types that answers have, whatever the task.
    """
    row = _row_of_none(session, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MMWarning)  # of cells that nobody gave
        found = _joined(session, row, replace(asked, keep=()), Strangers())
    proba = None if found.proba is None else found.proba.iloc[:0]
    return replace(found, answer=found.answer.iloc[:0], proba=proba)


def _row_of_none(session: Session, rows: Rows) -> Rows:
    """A row of missing cells, of the columns of a table without rows."""
    table = rows.table
    names = list(table.frame.columns)
    if not names and session.held is not None:  # as an empty list of records
        names = list(session.held.model.recipe.columns.types)
    return Rows(Table(pd.DataFrame(None, [0], names, object), table.folder), pd.RangeIndex(1))


def _check_kept(rows: Rows, asked: Asked) -> None:
    """
    Raises:
        ColumnError: a column that is to be kept is not there.
    """
    for name in asked.keep:
        if name not in rows.table.frame.columns:
            names = list(rows.table.frame.columns)
            near = suggest(name, names)
            raise ColumnError(
                f"column {name!r}, which is to be kept, is not in the data",
                column=name,
                remedy=f"did you mean {near!r}?" if near else f"columns: {', '.join(names)}",
            )


def _beside_kept(answers: pd.DataFrame, rows: Rows, asked: Asked) -> pd.DataFrame:
    """The answers below the caller's index, after the columns that are kept.

    Raises:
        ColumnError: an answer has the name of one of those.
    """
    answers = answers.set_axis(rows.index, axis=0)
    if not asked.keep:
        return answers
    taken = [str(name) for name in answers.columns if str(name) in asked.keep]
    if taken:
        raise ColumnError(
            f"the answers have a column {taken[0]!r} too: it cannot be kept beside them",
            column=taken[0],
            remedy=f"leave it out of keep, or rename it in the data: {taken[0]}_true",
        )
    kept = rows.table.frame[list(asked.keep)].set_axis(rows.index, axis=0)
    return pd.concat([kept, answers], axis=1)


def _stream(session: Session, model: Model, frame: Any, asked: Asked) -> Iterator[Any]:
    from mm_core.inference import stream

    task = session.registry.get(TaskSpec, model.recipe.task.id)
    options = read_options(task, asked.options)
    return stream(model, frame, options=options, settings=asked.settings)


def _report(frame: Any, bad: list[BadCell], asked: Asked) -> None:
    from mm_core.inference import unreadable

    report_bad(unreadable(frame, bad), asked.on_error)


def _together(parts: list[Any], frame: Any) -> pd.DataFrame:
    from mm_core.inference import joined

    return joined(parts, frame).answer
