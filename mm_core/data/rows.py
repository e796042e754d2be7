"""Whatever the user calls data -> rows the core can trust."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from mm_core.api.errors import ColumnError, ConfigError, DataError, EmptyDataError, MMWarning
from mm_core.api.processors import Table
from mm_core.api.specs import ReaderSpec
from mm_core.data.addresses import check_on_disk
from mm_core.data.formats import FORMATS, foreign_table
from mm_core.data.names import string_names
from mm_core.data.readers import read_claimed
from mm_core.data.separated import SEPARATORS, CSVFile, ending_of, read_separated
from mm_core.plugins.registry import Registry


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
    """Read what a reader of a plugin claims, or else a DataFrame (of pandas, polars or pyarrow),
    a CSV/TSV/Parquet/JSONL/JSON/Excel path, a CSVFile, a dict, a list of dicts, or a table of the
    API.

    Texts of a CSV become numbers or truths where all of a column are, and none has a leading zero;
    strings of all others are let be.

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
    frame = frame.set_axis(string_names(frame.columns), axis=1).reset_index(drop=True)
    return Rows(Table(_without_infinities(_with_lists(frame)), folder), index)


def _read(data: Any, registry: Registry) -> tuple[pd.DataFrame, Path]:
    if isinstance(data, Table):
        return data.frame, data.folder
    if isinstance(data, pd.DataFrame):
        return data, Path()
    if isinstance(data, (str, Path, CSVFile)):
        return _read_file(data, registry)
    if isinstance(data, Mapping):
        scalar = not any(_is_column(value) for value in data.values())
        return pd.DataFrame([dict(data)]) if scalar else _frame(dict(data)), Path()
    if isinstance(data, Sequence) and all(isinstance(row, Mapping) for row in data):
        return pd.DataFrame(list(data)), Path()
    table = foreign_table(data)
    if table is not None:
        return table, Path()
    if isinstance(data, np.ndarray):
        raise DataError(
            f"an array of shape {data.shape} has no names of columns",
            value=type(data).__name__,
            remedy="name them: pd.DataFrame(array, columns=['a', 'b', ..., 'label'])",
        )
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


def _read_file(file: str | Path | CSVFile, registry: Registry) -> tuple[pd.DataFrame, Path]:
    given = file.path if isinstance(file, CSVFile) else file
    check_on_disk(given)
    path = Path(given)
    read = FORMATS.get(ending_of(path))
    if isinstance(file, CSVFile):
        if read is not None and ending_of(path) not in SEPARATORS:
            raise DataError(
                f"{str(path)!r} is no CSV file, so it has no separator and no decimal sign",
                value=str(path),
                remedy="leave these options out",
            )
        read = partial(_read_csv, file)
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


def _read_csv(file: CSVFile, path: Path) -> pd.DataFrame:
    return read_separated(file)


@contextmanager
def unreadable_file(path: Path) -> Iterator[None]:
    """What reading a file raises, as an error that names it.

    Raises:
        DataError, EmptyDataError.
    """
    try:
        yield
    except (ColumnError, ConfigError, DataError):  # they are also ValueErrors
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
            f"cannot read {str(path)!r}: {error}",
            value=str(path),
            remedy=_REMEDIES.get(ending_of(path), "check the file"),
        ) from error


_REMEDIES = {
    ".json": "check the file: a list of rows, as frame.to_json(path, orient='records') writes it; "
    "of a row in each line the ending is .jsonl"
}


def _with_lists(frame: pd.DataFrame) -> pd.DataFrame:
    """Lists of texts as lists: Parquet gives arrays where JSON and frames have lists.

    Arrays of numbers stay: as lists they would take many times the room.
    """
    objects = {str(name): column for name, column in frame.items() if column.dtype == object}
    arrays = {name: cells for name, cells in objects.items() if any(map(_is_listed, cells))}
    lists = {name: pd.Series([*map(_as_list, c)], c.index, object) for name, c in arrays.items()}
    return frame.assign(**lists)


def _is_listed(cell: Any) -> bool:
    return isinstance(cell, np.ndarray) and cell.dtype == object


def _as_list(cell: Any) -> Any:
    return [_as_list(one) for one in cell] if _is_listed(cell) and cell.ndim else cell


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
