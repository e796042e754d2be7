"""Tables as files, a part at a time; the ending says the format."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import numpy as np
import pandas as pd

from mm_core.api.errors import ConfigError, DataError, MMWarning

if TYPE_CHECKING:
    import pyarrow.parquet as pq


@dataclass(frozen=True)
class Written:
    """A file of answers.

    Attributes:
        path: of the file.
        rows: answers in it.
        columns: their names.
    """

    path: Path
    rows: int
    columns: tuple[str, ...]


class Sink(Protocol):
    """A file that parts of a table are written to."""

    def write(self, frame: pd.DataFrame) -> None:
        """Add rows."""

    def close(self) -> None:
        """Nothing more comes."""


def check_ending(path: Path) -> None:
    """Refuse an ending that cannot be written, before any work is done.

    Raises:
        ConfigError: lists the known ones.
    """
    if path.suffix.lower() not in SINKS:
        raise ConfigError(
            f"cannot tell how to write {str(path)!r}",
            value=str(path),
            remedy=f"known endings: {', '.join(SINKS)}; a folder of files has none",
        )


ANOTHER = "name a file in a folder that you may write to: out='...' (--out FILE)"


@contextlib.contextmanager
def sink(path: Path) -> Iterator[Sink]:
    """A file to write parts of a table to; it stands there when all of them are written.

    Until then it has another name, and what stood there before is whole; where something fails,
    nothing is left of it. An index that is more than the row number is written as columns (in
    Parquet as it is).

    Raises:
        ConfigError: an unknown ending.
        DataError: the file cannot be written. What the body raises passes as it is.
    """
    check_ending(path)
    part = path.with_name(f"{path.name}.part")
    try:
        with writing(path):
            if path.is_dir():  # told before the work is done, not when the file is to stand there
                raise IsADirectoryError("it is a folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            part.touch()
            opened = _Telling(SINKS[path.suffix.lower()](part), path)
        try:
            yield opened
        finally:
            opened.close()
        with writing(path):
            os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):  # it was never there, or cannot be reached
            part.unlink()


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to write files to; it stands there when all of them are written.

    Until then it has another name; where something fails, nothing is left of it.

    Raises:
        DataError: there is something already, or it cannot be written. What the body raises passes
            as it is: not all of it is about the folder. What writes there does so in
            :func:`writing_into`.
    """
    part = path.with_name(f"{path.name}.part")
    with writing_into(path):
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise FileExistsError("it is there, and not empty")
        part.mkdir(parents=True)
    try:
        yield part
        with writing_into(path):
            if path.exists():
                path.rmdir()
            os.replace(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def writing(path: Path) -> contextlib.AbstractContextManager[None]:
    """An OSError within is told as that of writing this file, a DataError."""
    return _told(f"cannot write {str(path)!r}", path, ANOTHER)


def writing_into(path: Path) -> contextlib.AbstractContextManager[None]:
    """An OSError within is told as that of writing this folder, a DataError."""
    remedy = "name a new folder: out='...' (--out DIR)"
    return _told(f"cannot write the folder {str(path)!r}", path, remedy)


@contextlib.contextmanager
def _told(what: str, path: Path, remedy: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{what}: {error}", value=str(path), remedy=remedy) from error


class _Telling:
    """A sink whose faults name the file that is written."""

    def __init__(self, sink: Sink, path: Path) -> None:
        self._sink = sink
        self._path = path

    def write(self, frame: pd.DataFrame) -> None:
        with writing(self._path):
            self._sink.write(frame)

    def close(self) -> None:
        with writing(self._path):
            self._sink.close()


def with_index(frame: pd.DataFrame, start: int = 0) -> pd.DataFrame:
    """The frame with its index as leading columns, unless that only counts the rows.

    Args:
        frame: rows.
        start: rows before them in the whole table.
    """
    counted = pd.RangeIndex(start, start + len(frame))
    if frame.index.equals(counted) and frame.index.name is None:
        return frame
    names = [
        name if name is not None else "index" if frame.index.nlevels == 1 else f"index_{level}"
        for level, name in enumerate(frame.index.names)
    ]
    free = [f"{name}_index" if name in frame.columns else name for name in names]
    if free != names:
        warnings.warn(
            f"the index is written as {', '.join(map(str, free))}", MMWarning, stacklevel=2
        )
    return frame.reset_index(names=free)


def as_csv(frame: pd.DataFrame, start: int = 0, *, header: bool = True) -> str:
    """The table as CSV; cells that are lists or arrays are JSON, as labels in one are read."""
    return _lists_as_json(with_index(frame, start)).to_csv(index=False, header=header)


def _lists_as_json(table: pd.DataFrame) -> pd.DataFrame:
    lists = {
        name: [_json_of_list(cell) for cell in table[name].tolist()]
        for name in table.columns
        if table[name].dtype == object
    }
    return table.assign(**lists)


def _json_of_list(cell: Any) -> Any:
    if isinstance(cell, np.ndarray):  # as text numpy leaves out the middle of a large one
        cell = cell.tolist()
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, list | dict) else cell


class _Lines:
    """A text file."""

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("w", encoding="utf-8", newline="")
        self._rows = 0

    def write(self, frame: pd.DataFrame) -> None:
        self._file.write(self.text(frame))
        self._rows += len(frame)

    def text(self, frame: pd.DataFrame) -> str:
        raise AssertionError  # each format has its own

    def close(self) -> None:
        self._file.close()


class _CSV(_Lines):
    def text(self, frame: pd.DataFrame) -> str:
        return as_csv(frame, self._rows, header=self._rows == 0)


class _JSONLines(_Lines):
    def text(self, frame: pd.DataFrame) -> str:
        table = with_index(frame, self._rows)
        text: str = table.to_json(
            orient="records", lines=True, double_precision=15, force_ascii=False
        )
        return text if text.endswith("\n") or not text else f"{text}\n"


class _Parquet:
    """Later parts are of the types of the first.

    So lists are JSON here too: those of a first part may all be empty, and of what they are then
    is not known; for a list of numbers and names there is no type at all.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def write(self, frame: pd.DataFrame) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        named = _lists_as_json(frame.rename(columns=str))
        if self._writer is None:
            table = pa.Table.from_pandas(named)
            self._writer = pq.ParquetWriter(self._path, table.schema)
        else:
            table = pa.Table.from_pandas(named, schema=self._writer.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


SINKS: dict[str, Callable[[Path], Sink]] = {
    ".csv": _CSV,
    ".parquet": _Parquet,
    ".jsonl": _JSONLines,
}
