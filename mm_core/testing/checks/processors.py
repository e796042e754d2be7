"""What every processor keeps."""

from __future__ import annotations

import copy
import datetime
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors.numpy

from mm_core.api.processors import Encoded, Field, InputBatch, Processor, State, Table
from mm_core.api.samples import SampleColumn
from mm_core.api.specs import ProcessorSpec
from mm_core.data.unlike import strikes
from mm_core.testing import fresh
from mm_core.testing.columns import columns_of, fields_of, table_of
from mm_core.testing.moved import Drawn, drawn, where_seen
from mm_core.testing.outcome import NotTried, expect
from mm_core.testing.subject import Subject
from mm_core.testing.torchless import HEAVY

Component = Subject[ProcessorSpec]
_ODD: tuple[Any, ...] = (
    [1, "a"],
    [],
    np.array([1.0, np.nan]),
    {"a": 1},
    b"\xff\x00",
    "",
    "\0",
    "\ud800",
    "x" * 100_000,
    10**400,
    1e308,
    True,
    datetime.datetime(1, 1, 1),
    Decimal("NaN"),
)
_BOXES = 12


@dataclass(frozen=True)
class _Trial:
    """A processor, fitted on the first half of the sample rows."""

    processor: Processor
    columns: list[SampleColumn]
    table: Table

    @property
    def fields(self) -> tuple[Field, ...]:
        return self.processor.fields

    def encode(self, frame: pd.DataFrame) -> Encoded:
        encoded = self.processor.encode(Table(frame.reset_index(drop=True), self.table.folder))
        expect(isinstance(encoded, Encoded), f"encode gives {type(encoded).__name__}, no Encoded")
        return encoded

    def batch(self, encoded: Encoded, rows: list[int]) -> InputBatch:
        batch = self.processor.batch(encoded, np.array(rows, dtype=np.int64))
        expect(isinstance(batch, InputBatch), f"batch gives {type(batch).__name__}, no InputBatch")
        return batch


def check_keeps_every_row(subject: Component) -> None:
    """N rows in, N rows out: in encode, and in every batch, in the order asked for."""
    with _tried(subject) as trial:
        n = len(trial.table)
        encoded = trial.encode(trial.table.frame)
        _expect_rows("encode: present", encoded.present, n)
        _expect_bool("encode: present", encoded.present)
        if encoded.lengths is not None:
            _expect_rows("encode: lengths", encoded.lengths, n)
        for rows in ([0], [2, 0, 1], [1, 1]):
            batch = trial.batch(encoded, rows)
            _expect_rows(f"batch of {rows}: present", batch.present, len(rows))
            _expect_bool(f"batch of {rows}: present", batch.present)
            for name, array in batch.arrays.items():
                _expect_rows(f"batch of {rows}: {name}", array, len(rows))


def check_batches_numpy_arrays(subject: Component) -> None:
    """Without augmentation a batch holds numpy arrays: the core makes tensors of them."""
    with _tried(subject) as trial:
        batch = trial.batch(trial.encode(trial.table.frame), [0, 1])
        for name, array in {**batch.arrays, "present": batch.present}.items():
            expect(
                isinstance(array, np.ndarray), f"{name} is {type(array).__name__}, no numpy array"
            )


def check_a_batch_is_its_rows(subject: Component) -> None:
    """A batch is what its rows are alone, but for padding at the end of an axis."""
    with _tried(subject) as trial:
        encoded = trial.encode(trial.table.frame)
        rows = list(range(len(trial.table)))
        together = trial.batch(encoded, rows[::-1])
        for place, row in enumerate(rows[::-1]):
            _expect_row(together, place, trial.batch(encoded, [row]), f"row {row}")


def check_encodes_rows_one_by_one(subject: Component) -> None:
    """A row's encoding does not depend on the rows beside it."""
    with _tried(subject) as trial:
        frame = trial.table.frame
        together = trial.batch(trial.encode(frame), list(range(len(frame))))
        for row in range(len(frame)):
            alone = trial.batch(trial.encode(frame.iloc[[row]]), [0])
            _expect_row(together, row, alone, f"row {row}, encoded alone")


def check_learns_in_fit_only(subject: Component) -> None:
    """Encoding other rows changes nothing in the state."""
    with _tried(subject) as trial:
        before = _saved(trial.processor.state())
        trial.batch(trial.encode(trial.table.frame), [0, 1])
        expect(_saved(trial.processor.state()) == before, "the state changed in encode or batch")


def check_leaves_the_table_alone(subject: Component) -> None:
    """Neither fit nor encode changes the table."""
    with _tried(subject) as trial:
        table = trial.table
        before = copy.deepcopy(table.frame)
        trial.processor.fit(table)
        trial.processor.encode(table)
        expect(before.equals(table.frame), "the table's frame was changed")


def check_takes_missing_cells(subject: Component) -> None:
    """A column may be missing wholly or in part; a row with nothing is absent."""
    with _tried(subject) as trial:
        frame = trial.table.frame
        for field in trial.fields:
            one = _without(frame, [field.column])
            encoded = trial.encode(one)
            expect(not encoded.bad, f"missing cells of {field.column!r} are reported as bad")
            trial.batch(encoded, [0, 1])
        encoded = trial.encode(_without(frame, list(frame.columns)))
        expect(not encoded.present.any(), "rows without any cell are present")
        batch = trial.batch(encoded, [0, 1])
        expect(not batch.present.any(), "rows without any cell are present in a batch")
        kept = np.repeat((np.arange(len(frame)) % 2 == 1)[:, None], frame.shape[1], axis=1)
        there = trial.encode(frame.where(kept)).present
        expect(not there[::2].any(), "a row without any cell is present beside others")


def check_reports_broken_cells(subject: Component) -> None:
    """A cell that cannot be read is masked and reported by row and column; nothing raises."""
    with _tried(subject) as trial:
        for field, column in zip(trial.fields, trial.columns, strict=True):
            for cell in column.broken:
                frame = trial.table.frame.head(3).astype({field.column: object})
                frame.at[1, field.column] = cell
                encoded = trial.encode(frame)
                batch = trial.batch(encoded, [0, 1, 2])
                bad = {(one.row, one.column) for one in [*encoded.bad, *batch.bad]}
                where = f"{cell!r:.60} in row 1 of {field.column!r}"
                expect(bad == {(1, field.column)}, f"{where}: reported are {sorted(bad)}")
                if len(trial.fields) == 1:
                    expect(not batch.present[1], f"{where}: the row is present")


def check_raises_on_no_cell(subject: Component) -> None:
    """Whatever a cell is, it is read or reported: nothing raises."""
    with _tried(subject) as trial:
        for field in trial.fields:
            for cell in _ODD:
                frame = trial.table.frame.head(3).astype({field.column: object})
                frame.at[1, field.column] = cell
                encoded = trial.encode(frame)
                _expect_rows(f"{cell!r:.60}: present", encoded.present, 3)
                trial.batch(encoded, [0, 1, 2])


def check_finds_training_rows_alike(subject: Component) -> None:
    """Of the rows it was fitted on it says nothing that a warning would come of."""
    with _tried(subject) as trial:
        names = {field.column for field in trial.fields}
        for one in trial.encode(trial.table.frame.head(len(trial.table) // 2)).unlike:
            expect(one.column in names, f"unlike: {one.column!r} is none of the input's columns")
            sound = 0 <= one.count <= one.cells and 0 <= one.expected <= 1
            expect(sound, f"unlike: {one} counts what cannot be")
            expect(not strikes(one), f"unlike: {one.count} of {one.cells} training cells: {one}")


def check_gives_json_info(subject: Component) -> None:
    """``info`` goes through JSON and says the same afterwards."""
    with _tried(subject) as trial:
        info = dict(trial.processor.info)
        expect(json.loads(json.dumps(info)) == _plain(info), f"info {info!r} is not JSON-able")


def check_augments_by_its_generator(subject: Component) -> None:
    """Two generators of one seed give the same augmented batch."""
    with _tried(subject) as trial:
        encoded = trial.encode(trial.table.frame)
        rows = np.arange(4)
        first, second = (
            trial.processor.batch(encoded, rows, np.random.default_rng(3)) for _ in range(2)
        )
        for name, array in first.arrays.items():
            same = np.array_equal(np.asarray(array), np.asarray(second.arrays[name]))
            expect(same, f"{name} differs between two generators of one seed: draw from `augment`")


def check_box_moves_with_pixels(subject: Component) -> None:
    """Boxes that it says it moves lie where their pixels went, augmented and not."""
    if "boxes" not in subject.spec.moves:
        raise NotTried("its spec moves no boxes")
    with _tried(subject) as trial:
        pictures = [drawn(number) for number in range(_BOXES)]
        seen = [_encoded(trial, pictures, bright=bright) for bright in (True, False)]
        boxes = [np.array([one.box], np.float32) for one in pictures]
        for seed in (None, *range(3)):
            _expect_moved(trial, seen, boxes, seed)
        again = [np.array([one.box], np.float32) for one in pictures]
        expect(all(map(np.array_equal, boxes, again)), "the boxes that it was given were changed")


def _encoded(trial: _Trial, pictures: list[Drawn], *, bright: bool) -> Encoded:
    """The pictures in the form of the sample cells: bytes, or files beside the table."""
    (field,), (column,) = trial.fields, trial.columns
    cells: list[Any] = []
    for number, one in enumerate(pictures):
        name, content = f"drawn-{number}-{bright}.png", one.png(bright=bright)
        if isinstance(column.cells[0], str):
            (trial.table.folder / name).write_bytes(content)
        cells.append(name if isinstance(column.cells[0], str) else content)
    encoded = trial.encode(pd.DataFrame({field.column: pd.Series(cells, dtype=object)}))
    expect(bool(encoded.present.all()), f"it cannot read PNG files as {field.kind}: {encoded.bad}")
    return encoded


def _expect_moved(
    trial: _Trial, seen: list[Encoded], boxes: list[np.ndarray[Any, Any]], seed: int | None
) -> None:
    """Both pictures of each box are given the same random change, and differ in the box alone."""
    rows, made = np.arange(len(boxes)), []
    for encoded in seen:
        rng = None if seed is None else np.random.default_rng(seed)
        targets = {"boxes": list(boxes), "classes": [np.zeros(1, np.int64) for _ in boxes]}
        made.append(trial.processor.batch(encoded, rows, rng, targets))
    moved = (made[0].targets or {}).get("boxes", boxes)
    where = "not augmented" if seed is None else f"augmented by seed {seed}"
    kept = 0
    for row, found in enumerate(moved):
        pixels, side = where_seen(made[0].arrays, made[1].arrays, row)
        if pixels is None or len(found) == 0:  # cut off by chance
            continue
        kept += 1
        off = min(float(np.abs(one - pixels).max()) for one in np.asarray(found, np.float64))
        text = f"{where}: pixels of a box went to {pixels.tolist()}, the box to {found.tolist()}"
        expect(off <= 2 + 0.02 * side, text)
    least = _BOXES if seed is None else _BOXES // 3
    expect(kept >= least, f"{where}: {kept} of {_BOXES} boxes are left and seen")


def check_comes_back_from_its_state(subject: Component) -> None:
    """From JSON, arrays and assets alone it encodes as before, in a process without torch.

    The file of a one-file plugin holds networks too, and is let off the last part.
    """
    with _tried(subject) as trial:
        state = trial.processor.state()
        batch = trial.batch(trial.encode(trial.table.frame), list(range(len(trial.table))))
        given = {f"array/{name}": value for name, value in state.arrays.items()}
        given |= {f"asset/{k}": np.frombuffer(v, dtype=np.uint8) for k, v in state.assets.items()}
        given["values"] = fresh.as_bytes(json.dumps(state.values))
        target = "mm_core.testing.checks.processors:again"
        without = HEAVY if subject.component.plugin.file is None else ()
        found = fresh.run(subject, target, given, without)
    for name, value in batch.arrays.items():
        array = np.asarray(value)
        where = f"{name}, from the state in a new process,"
        expect(name in found, f"{where} is not given")
        expect(found[name].shape == array.shape, f"{where} is {found[name].shape}")
        expect(
            np.array_equal(found[name], array, equal_nan=array.dtype.kind == "f"),
            f"{where} differs",
        )


def again(subject: Component, given: fresh.Arrays) -> fresh.Arrays:
    """In the new process: the batch of all rows from the state."""
    state = State(
        values=json.loads(fresh.as_text(given["values"])),
        arrays=_part(given, "array/"),
        assets={name: value.tobytes() for name, value in _part(given, "asset/").items()},
    )
    columns = _columns(subject)
    processor = subject.component.load().from_state(subject.config, fields_of(columns), state)
    with tempfile.TemporaryDirectory(prefix="mm-check-") as name:
        table = table_of(columns, Path(name))
        batch = processor.batch(processor.encode(table), np.arange(len(table)))
    return {key: np.asarray(value) for key, value in batch.arrays.items()}


def _part(given: fresh.Arrays, prefix: str) -> fresh.Arrays:
    return {k.removeprefix(prefix): v for k, v in given.items() if k.startswith(prefix)}


def _columns(subject: Component) -> list[SampleColumn]:
    return columns_of(subject, subject.spec.modalities[0])


@contextmanager
def _tried(subject: Component) -> Iterator[_Trial]:
    columns = _columns(subject)
    with tempfile.TemporaryDirectory(prefix="mm-check-") as name:
        table = table_of(columns, Path(name))
        processor: Processor = subject.component.load()(subject.config, fields_of(columns), None)
        processor.fit(table.take(np.arange(len(table) // 2)))
        yield _Trial(processor, columns, table)


def _without(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    return frame.assign(**{name: pd.Series([None] * len(frame), dtype=object) for name in columns})


def _saved(state: State) -> tuple[str, bytes, dict[str, bytes]]:
    """A state as bytes, to be compared."""
    arrays = {name: np.ascontiguousarray(value) for name, value in state.arrays.items()}
    return (
        json.dumps(state.values, sort_keys=True),
        safetensors.numpy.save(arrays),
        dict(state.assets),
    )


def _plain(value: Any) -> Any:
    """With lists for tuples, as JSON has it."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _expect_rows(what: str, values: Any, n: int) -> None:
    expect(len(values) == n, f"{what} has {len(values)} rows, not {n}")


def _expect_bool(what: str, values: Any) -> None:
    dtype = getattr(values, "dtype", None)
    expect(dtype == np.bool_, f"{what} is {dtype}, not a bool array")


def _expect_row(together: InputBatch, place: int, alone: InputBatch, where: str) -> None:
    """The row alone is the beginning of the row in the batch."""
    expect(bool(together.present[place]) == bool(alone.present[0]), f"{where}: presence differs")
    if not alone.present[0]:
        return
    for name, array in alone.arrays.items():
        want = np.asarray(array)[0]
        got = np.asarray(together.arrays[name])[place]
        got = got[tuple(slice(0, size) for size in want.shape)]
        close = got.shape == want.shape and np.allclose(
            got.astype(float), want.astype(float), atol=1e-6, equal_nan=True
        )
        expect(close, f"{where}: {name} differs from the batch's")
