"""Prediction: a stream of decoded batches. No torch, no Trainer.

Where an engine leaves the CPU alone, threads or processes make the next batches meanwhile.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api.batch import Batch
from mm_core.api.config import suggest
from mm_core.api.engine import RunSettings
from mm_core.api.errors import BadCell, ConfigError, MemoryFullError, MMWarning
from mm_core.api.tasks import Decoded
from mm_core.data.batches import prediction_order
from mm_core.data.encoded import EncodedFrame
from mm_core.making import Made, Making, size_of
from mm_core.model import Model

WINDOW_BYTES = 32 * 2**20
"""Outputs that are gathered before they are decoded: few calls for small answers, and never more
in memory than one batch beyond this for large ones."""

AS_FOUND = RunSettings()


@dataclass(frozen=True)
class Window:
    """What an engine gave for some rows.

    Attributes:
        rows: long [n], positions in the frame, ascending.
        outputs: by name: numpy arrays [n, ...], lists of n where rows are ragged, dicts of them.
        meta: input name -> key -> the same.
        bad: cells that could not be read, masked.
    """

    rows: np.ndarray
    outputs: dict[str, Any]
    meta: dict[str, dict[str, Any]]
    bad: list[BadCell]


@dataclass(frozen=True)
class Answers:
    """Decoded rows on their way to the user.

    Attributes:
        rows: long [n], positions in the frame, ascending.
        decoded: their answers.
        bad: cells that could not be read, masked.
    """

    rows: np.ndarray
    decoded: Decoded
    bad: list[BadCell]


@dataclass
class Joined:
    """All answers of a stream, rows in order.

    Attributes:
        answer: [N] rows.
        proba: or None.
        exclusive: as in :class:`~mm_core.api.tasks.Decoded`.
        bad: cells that could not be read, each once.
    """

    answer: pd.DataFrame
    proba: pd.DataFrame | None
    exclusive: bool
    bad: list[BadCell] = field(default_factory=list)


def windows(
    model: Model,
    frame: EncodedFrame,
    *,
    rows: np.ndarray | None = None,
    options: Any = None,
    settings: RunSettings = AS_FOUND,
    making: Making | None = None,
) -> Iterator[Window]:
    """What the engine gives, a window of rows at a time, rows of like cost together.

    Args:
        model: to predict with.
        frame: encoded rows.
        rows: positions of those to predict; None: all.
        options: of the task, validated.
        settings: batch size, device and precision.
        making: of this model, frame and settings; the caller closes it. None: one for this pass.
    """
    options = model.pipeline.options if options is None else options

    def run(batch: Batch) -> Any:
        return model.engine.run(batch, options, settings)

    with closing(_answered(model, frame, rows, settings, run, making)) as answered:
        while True:
            with model.engine.running(settings):  # and not while the caller has the window
                window = _window(answered)
            if window is None:
                return
            yield window


def _window(answered: Iterator[tuple[Made, Any]]) -> Window | None:
    """The next of these; None: there is none."""
    gathered = _Gathered()
    for made, found in answered:
        gathered.add(made, found)
        if gathered.bytes >= WINDOW_BYTES:
            break
    return gathered.window() if gathered.rows else None


def stream(
    model: Model,
    frame: EncodedFrame,
    *,
    options: Any = None,
    settings: RunSettings = AS_FOUND,
) -> Iterator[Answers]:
    """Decoded answers, a window of rows at a time; see :func:`windows`."""
    encoding = frame.bad
    for window in windows(model, frame, options=options, settings=settings):
        decoded = model.pipeline.decode(window.outputs, window.meta, options)
        bad = [*_of_rows(encoding, frame, window.rows), *window.bad]
        yield Answers(window.rows, decoded, list(dict.fromkeys(bad)))


def _of_rows(cells: Sequence[BadCell], frame: EncodedFrame, rows: np.ndarray) -> list[BadCell]:
    """Those of the cells that stand in these rows of the frame."""
    if not cells:
        return []
    stood = set((rows if frame.positions is None else frame.positions[rows]).tolist())
    return [cell for cell in cells if cell.row in stood]


def joined(parts: Sequence[Answers], frame: EncodedFrame) -> Joined:
    """The parts of a stream as one, rows in the order of the frame."""
    first = parts[0].decoded
    order = np.argsort(np.concatenate([part.rows for part in parts]), kind="stable")
    probas = [part.decoded.proba for part in parts if part.decoded.proba is not None]
    return Joined(
        answer=_together([part.decoded.answer for part in parts], order),
        proba=_together(probas, order) if probas else None,
        exclusive=first.exclusive,
        bad=unreadable(frame, [cell for part in parts for cell in part.bad]),
    )


def unreadable(frame: EncodedFrame, later: Iterable[BadCell]) -> list[BadCell]:
    """Cells that could not be read, when they were encoded or later, each once."""
    return list(dict.fromkeys([*frame.bad, *later]))


def outputs(
    model: Model, frame: EncodedFrame, rows: np.ndarray | None = None
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Outputs and meta for ``Task.decode`` of all rows (or those) at once, in order.

    For who needs them together, such as calibration; they are all in memory then.
    """
    return whole(list(windows(model, frame, rows=rows)))


def whole(parts: Sequence[Window]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Outputs and meta of all rows of these windows, in order."""
    if len(parts) == 1:
        return parts[0].outputs, parts[0].meta
    order = np.argsort(np.concatenate([window.rows for window in parts]), kind="stable")
    return (
        _joined([window.outputs for window in parts], order),
        _joined([window.meta for window in parts], order),
    )


def embed(
    model: Model,
    frame: EncodedFrame,
    of: str | None = None,
    settings: RunSettings = AS_FOUND,
) -> tuple[np.ndarray, list[BadCell]]:
    """float32 [N, D], one vector per row, and the cells that could not be read (masked).

    Args:
        model: to embed with.
        frame: encoded rows.
        of: which vectors, one of ``engine.embeddings``; None: the first.
        settings: batch size, device and precision.

    Raises:
        ConfigError: the model has no such vectors.
    """
    of = _embedding(model, of)
    parts, rows, cells = [], [], []
    with model.engine.running(settings):
        run = partial(model.engine.embed, of=of, settings=settings)
        for made, vectors in _answered(model, frame, None, settings, run):
            parts.append(np.asarray(vectors, dtype=np.float32))
            rows.append(made.rows)
            cells += made.bad
    order = np.argsort(np.concatenate(rows), kind="stable")
    return np.concatenate(parts)[order], unreadable(frame, cells)


def _embedding(model: Model, of: str | None) -> str:
    known = model.engine.embeddings
    if of in known or (of is None and known):
        return of or known[0]
    near = suggest(of, list(known)) if of is not None else None
    raise ConfigError(
        f"this model has no vectors {'' if of is None else f'called {of!r} '}to give",
        value=of,
        remedy=f"did you mean {near!r}?" if near else f"it has: {', '.join(known) or 'none'}",
    )


def _answered(
    model: Model,
    frame: EncodedFrame,
    rows: np.ndarray | None,
    settings: RunSettings,
    answer: Callable[[Batch], Any],
    making: Making | None = None,
) -> Generator[tuple[Made, Any], None, None]:
    """All rows (or those), a batch at a time, each with what ``answer`` makes of it.

    A batch that does not fit into the engine's memory is made again in halves, and all that follow
    are so small, with one warning.

    Raises:
        MemoryFullError: a single row does not fit.
    """
    ordered = prediction_order(frame, max(1, frame.n_rows), rows)  # all in one
    left = ordered[0] if ordered else np.zeros(0, np.int64)
    with ExitStack() as after:
        if making is None:
            making = after.enter_context(closing(Making(model, frame, settings)))
        size = asked = making.batch_size(left)
        while len(left):
            parts = [left[start : start + size] for start in range(0, len(left), size)]
            with closing(making.batches(parts)) as batches:
                for made in batches:
                    try:
                        found = answer(made.batch)
                    except MemoryFullError as error:
                        if len(made.rows) == 1:
                            raise _too_large(made.rows, frame, error) from None
                        size = len(made.rows) // 2
                        break
                    if size < asked:
                        _tell_smaller(asked, size)
                        asked = size
                    left = left[len(made.rows) :]
                    yield made, found


def _tell_smaller(asked: int, size: int) -> None:
    warnings.warn(
        f"{asked} rows at once do not fit into the memory of the device: {size} at once from now "
        "on (batch_size= of a prediction sets another number)",
        MMWarning,
        stacklevel=2,
    )


def _too_large(rows: np.ndarray, frame: EncodedFrame, error: MemoryFullError) -> MemoryFullError:
    """The error with the row's place in the caller's data."""
    places = rows if frame.positions is None else frame.positions[rows]
    return MemoryFullError(
        error.message,
        plugin=error.plugin,
        rows=places.tolist(),
        value=error.value,
        remedy=error.remedy,
    )


class _Gathered:
    """Outputs of batches until they are a window."""

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = []
        self.outputs: list[dict[str, Any]] = []
        self.metas: list[dict[str, Any]] = []
        self.bad: list[BadCell] = []
        self.bytes = 0

    def add(self, made: Made, found: dict[str, Any]) -> None:
        self.rows.append(made.rows)
        self.outputs.append(found)
        self.metas.append(made.meta)
        self.bad += [*made.bad, *made.batch.bad]
        self.bytes += size_of(found)

    def window(self) -> Window:
        positions = np.concatenate(self.rows)
        order = np.argsort(positions, kind="stable")
        return Window(
            positions[order], _joined(self.outputs, order), _joined(self.metas, order), self.bad
        )


def _joined(parts: Sequence[Mapping[str, Any]], order: np.ndarray) -> dict[str, Any]:
    return {name: _join([part[name] for part in parts], order) for name in parts[0]}


def _join(parts: Sequence[Any], order: np.ndarray) -> Any:
    """Batches of one output as one, rows in order; of unequal shapes, or lists: a list of rows."""
    if isinstance(parts[0], Mapping):
        return _joined(parts, order)
    if _alike(parts):
        return (parts[0] if len(parts) == 1 else np.concatenate(parts))[order]
    rows = [row for part in parts for row in part]
    return [rows[position] for position in order]


def _alike(parts: Sequence[Any]) -> bool:
    """Whether they are arrays that can stand in one."""
    arrays = all(isinstance(part, np.ndarray) for part in parts)
    return arrays and len({part.shape[1:] for part in parts}) == 1


def _together(frames: Sequence[pd.DataFrame], order: np.ndarray) -> pd.DataFrame:
    if len(frames) == 1:
        return frames[0]
    return pd.concat(frames, ignore_index=True).take(order).reset_index(drop=True)
