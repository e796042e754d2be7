"""What every reader keeps, on the data that its plugin gives as samples."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from mm_core.api.errors import MMError
from mm_core.api.processors import Table
from mm_core.api.samples import SampleData
from mm_core.api.specs import ReaderSpec
from mm_core.data.rows import read_rows
from mm_core.testing.outcome import CheckError, expect
from mm_core.testing.subject import Subject

Reader = Subject[ReaderSpec]


def check_claims_its_samples(subject: Reader) -> None:
    """It claims its sample data; a path as str and as Path."""
    for sample in _samples(subject):
        with _written(sample) as folder:
            for data in _spellings(sample.data(folder)):
                expect(_claims(subject, data), f"it does not claim {data!r}")


def check_claims_nothing_else(subject: Reader) -> None:
    """Of tables, other files, folders and objects it claims none, and raises nothing."""
    with tempfile.TemporaryDirectory(prefix="mm-check-") as name:
        for data in _foreign(Path(name)):
            try:
                claimed = _claims(subject, data)
            except Exception as error:  # whatever a stranger's code may raise
                raise CheckError(
                    f"of {data!r} it raises {type(error).__name__}: {error}"
                ) from error
            expect(not claimed, f"it claims {data!r}")


def check_reads_every_row_in_order(subject: Reader) -> None:
    """It gives the columns and cells of its sample, in order, and the same the second time."""
    for sample in _samples(subject):
        with _written(sample) as folder:
            for _ in range(2):
                table = subject.component.load()(sample.data(folder))
                _expect_cells(table, sample)


def check_its_rows_reach_the_core(subject: Reader) -> None:
    """Where rows are asked for, as in fit and predict, the sample is read by it."""
    for sample in _samples(subject):
        with _written(sample) as folder:
            rows = read_rows(sample.data(folder), subject.registry)
            expect(
                rows.table.frame.columns.tolist() == list(sample.columns),
                f"another reader gives the columns {list(rows.table.frame)}",
            )
            expect(rows.index.is_unique, "its index has an entry twice")


def check_leaves_its_files_alone(subject: Reader) -> None:
    """Reading changes no file."""
    for sample in _samples(subject):
        with _written(sample) as folder:
            before = _hashes(folder)
            subject.component.load()(sample.data(folder))
            expect(_hashes(folder) == before, "files changed, came or went while it read")


def check_damaged_data_is_an_error_of_ours(subject: Reader) -> None:
    """A file of the sample cut in half is not claimed, or a MMError, or read as far as it is."""
    for sample in _samples(subject):
        for name, content in sample.files.items():
            with _written(sample) as folder:
                (folder / name).write_bytes(content[: len(content) // 2])
                data = sample.data(folder)
                try:
                    if _claims(subject, data):
                        subject.component.load()(data)
                except MMError:
                    continue
                except Exception as error:  # whatever a stranger's code may raise
                    raise CheckError(
                        f"with {name} cut in half it raises {type(error).__name__}: {error}"
                    ) from error


def _samples(subject: Reader) -> list[SampleData]:
    found = [one for one in subject.samples.data if one.reader == subject.spec.name]
    expect(found, f"the samples have no data for {subject.spec.name}: give a SampleData")
    return found


def _claims(subject: Reader, data: Any) -> bool:
    return bool(subject.component.load("claims")(data))


@contextmanager
def _written(sample: SampleData) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mm-check-") as name:
        for file, content in sample.files.items():
            path = Path(name) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        yield Path(name)


def _spellings(data: Any) -> list[Any]:
    return [str(data), Path(data)] if isinstance(data, str | Path) else [data]


def _foreign(folder: Path) -> Iterator[Any]:
    """Data that is the core's own, or nobody's."""
    contents = {
        "rows.csv": b"a,b\n1,2\n",
        "rows.json": b'[{"a": 1, "b": 2}]',
        "other.json": b'{"a": {"b": []}}',
        "broken.json": b'{"a": [',
        "empty.json": b"",
        "rows.jsonl": b'{"a": 1}\n',
        "noise.bin": bytes(range(256)),
    }
    (folder / "empty").mkdir()
    (folder / "files").mkdir()
    for name, content in contents.items():
        (folder / "files" / name).write_bytes(content)
    paths = [folder / "files" / name for name in contents]
    for path in (*paths, folder / "empty", folder / "files", folder / "absent.json", folder / "no"):
        yield path
        yield str(path)
    yield pd.DataFrame({"a": [1, 2]})
    yield from ({"a": [1, 2]}, {}, [{"a": 1}], [], "", "a\0b", b"bytes", 7, None, object())


def _expect_cells(table: Any, sample: SampleData) -> None:
    expect(isinstance(table, Table), f"it gives {type(table).__name__}, no Table")
    frame = table.frame
    names = list(frame.columns)
    expect(names == list(sample.columns), f"its columns are {names}, not {list(sample.columns)}")
    for name, cells in sample.columns.items():
        found = frame[name].tolist()
        expect(len(found) == len(cells), f"column {name!r} has {len(found)} rows, not {len(cells)}")
        for row, (cell, wanted) in enumerate(zip(found, cells, strict=True)):
            missing = wanted is None and pd.api.types.is_scalar(cell) and pd.isna(cell)
            expect(
                missing or cell == wanted,
                f"row {row} of column {name!r} is {cell!r}, not {wanted!r}",
            )


def _hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
