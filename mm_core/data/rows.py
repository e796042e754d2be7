"""Whatever the user calls data -> rows the core can trust."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from mm_core.api.errors import ColumnError, DataError, EmptyDataError, MMWarning
from mm_core.api.processors import Table
from mm_core.api.specs import ReaderSpec
from mm_core.data.readers import read_claimed
from mm_core.plugins.registry import Registry


def _read_separated(path: Path, separator: str) -> pd.DataFrame:
    """A CSV whose rows fit its header, with codes such as 0123 kept as they are."""
    known: dict[str, Any] = {}
    return next(separated(path, separator, known, None))


def separated(
    path: Path, separator: str, dtypes: Mapping[str, Any], rows: int | None
) -> Iterator[pd.DataFrame]:
    """The rows of a CSV, ``rows`` at a time, or all at once.

    Args:
        path: of the file.
        separator: between its fields.
        dtypes: of columns, where they are known.
        rows: of a part; None: all.
    """
    header = pd.read_csv(path, sep=separator, header=None, nrows=1, dtype=str).iloc[0]
    _string_names(header.dropna())  # pandas renames the second "x" to "x.1"
    with warnings.catch_warnings():
        # Rows longer than the header would lose fields, or shift by becoming the index.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        first = pd.read_csv(path, sep=separator, dtype=str, index_col=False, nrows=CODES_SEEN_IN)
        codes = [name for name in first if first[name].str.fullmatch(r"0\d+").any()]
        known: dict[Any, Any] = {**dtypes, **dict.fromkeys(codes, str)}
        if rows is None:
            yield pd.read_csv(path, sep=separator, dtype=known, index_col=False)
            return
        parts = pd.read_csv(path, sep=separator, dtype=known, index_col=False, chunksize=rows)
    with parts:
        yield from _strict(parts)


def _strict(parts: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The parts; rows that are longer than the header are an error."""
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            part = next(parts, None)
        if part is None:
            return
        yield part


CODES_SEEN_IN = 1000
"""Rows of a CSV in which numbers with leading zeros are looked for."""

FORMATS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": partial(_read_separated, separator=","),
    ".tsv": partial(_read_separated, separator="\t"),
    ".parquet": pd.read_parquet,
    ".pq": pd.read_parquet,
    ".jsonl": lambda path: pd.read_json(path, lines=True),
    ".json": pd.read_json,
}


@dataclass(frozen=True)
class Rows:
    """The caller's data, checked.

    Attributes:
        table: string column names, index 0..N-1, non-finite numbers made missing.
        index: the caller's index, to be put back on answers.
    """

    table: Table
    index: pd.Index

    def __len__(self) -> int:
        return len(self.index)


def read_rows(data: Any, registry: Registry, *, empty: bool = False) -> Rows:
    """Read what a reader of a plugin claims, or else a DataFrame, a CSV/TSV/Parquet/JSONL/JSON
    path, a dict, a list of dicts, or a table of the API.

    The caller's object is never changed. Relative paths in cells start at the data file's folder,
    or at the working directory for data in memory; or where the reader says.

    Args:
        data: the caller's.
        registry: installed readers.
        empty: whether there may be no rows.

    Raises:
        DataError: not a supported kind of data, or an unreadable file.
        EmptyDataError: no rows.
        ColumnError: duplicate column names.
        PluginError: a reader gives no table.
    """
    claimed = read_claimed(data, registry)
    frame, folder = _read(data, registry) if claimed is None else (claimed.frame, claimed.folder)
    if len(frame) == 0 and not empty:
        raise EmptyDataError("the data has no rows", remedy="give at least one row")
    return rows_of(frame, folder)


def rows_of(frame: pd.DataFrame, folder: Path) -> Rows:
    """A frame, checked; relative paths in its cells start at ``folder``."""
    index = frame.index
    frame = frame.set_axis(_string_names(frame.columns), axis=1).reset_index(drop=True)
    return Rows(Table(_without_infinities(frame), folder), index)


def _read(data: Any, registry: Registry) -> tuple[pd.DataFrame, Path]:
    if isinstance(data, Table):
        return data.frame, data.folder
    if isinstance(data, pd.DataFrame):
        return data, Path()
    if isinstance(data, (str, Path)):
        return _read_file(Path(data), registry)
    if isinstance(data, Mapping):
        scalar = not any(_is_column(value) for value in data.values())
        return pd.DataFrame([dict(data)]) if scalar else _frame(dict(data)), Path()
    if isinstance(data, Sequence) and all(isinstance(row, Mapping) for row in data):
        return pd.DataFrame(list(data)), Path()
    raise DataError(
        f"data of type {type(data).__name__} is not supported",
        value=type(data).__name__,
        remedy="give a DataFrame, a .csv/.tsv/.parquet/.jsonl path, a dict, or a list of dicts"
        + _or_readers(registry),
    )


def _is_column(value: Any) -> bool:
    return types.is_list_like(value) and not isinstance(value, Mapping)


def _frame(columns: dict[str, Any]) -> pd.DataFrame:
    try:
        return pd.DataFrame(columns)
    except ValueError as error:
        raise DataError(
            f"the dict is not a table: {error}", remedy="give lists of equal length"
        ) from error


def _or_readers(registry: Registry) -> str:
    """What plugins read besides, for messages."""
    readers = [f"{one.id} ({one.spec.summary})" for one in registry.all(ReaderSpec)]
    return f"; or what one of these claims: {', '.join(readers)}" if readers else ""


def _read_file(path: Path, registry: Registry) -> tuple[pd.DataFrame, Path]:
    read = FORMATS.get(path.suffix.lower())
    if read is None:
        raise DataError(
            f"cannot tell how to read {str(path)!r}",
            value=str(path),
            remedy=f"known endings: {', '.join(FORMATS)}{_or_readers(registry)}",
        )
    if not path.is_file():
        raise DataError(f"no file {str(path)!r}", value=str(path), remedy="check the path")
    with unreadable_file(path):
        return read(path), path.parent


@contextmanager
def unreadable_file(path: Path) -> Iterator[None]:
    """What reading a file raises, as an error that names it.

    Raises:
        DataError, EmptyDataError.
    """
    try:
        yield
    except (ColumnError, DataError):  # the former is also a ValueError
        raise
    except pd.errors.EmptyDataError:
        raise EmptyDataError(
            f"{str(path)!r} is empty", value=str(path), remedy="give at least one row"
        ) from None
    except pd.errors.ParserWarning as error:
        raise DataError(
            f"{str(path)!r} has rows with more fields than its header",
            value=str(path),
            remedy="check separators, quotes and the header line",
        ) from error
    except (ValueError, OSError) as error:  # parser errors of pandas and pyarrow are ValueErrors
        raise DataError(
            f"cannot read {str(path)!r}: {error}", value=str(path), remedy="check the file"
        ) from error


def _string_names(columns: Iterable[Any]) -> list[str]:
    names = [str(name) for name in columns]
    name, times = Counter(names).most_common(1)[0] if names else ("", 0)
    if times > 1:
        raise ColumnError(
            f"column name {name!r} stands {times} times",
            column=name,
            remedy="rename one: df.columns = [...]",
        )
    return names


def _without_infinities(frame: pd.DataFrame) -> pd.DataFrame:
    infinite = {str(name): _infinite(column) for name, column in frame.items()}
    found = {name: where for name, where in infinite.items() if where.any()}
    if not found:
        return frame
    said = ", ".join(f"{name!r} ({where.sum()})" for name, where in found.items())
    warnings.warn(f"infinite numbers count as missing: {said}", MMWarning, stacklevel=2)
    return frame.assign(**{name: frame[name].mask(where) for name, where in found.items()})


def _infinite(column: pd.Series) -> np.ndarray:
    """bool [N], the cells that hold an infinite number."""
    if types.is_float_dtype(column.dtype):
        infinite: np.ndarray = np.isinf(column.to_numpy(dtype=float, na_value=np.nan))
        return infinite
    if column.dtype == object:  # numbers beside words, bytes, lists
        cells = [isinstance(cell, (float, np.floating)) and np.isinf(cell) for cell in column]
        return np.array(cells, dtype=bool)
    return np.zeros(len(column), dtype=bool)
