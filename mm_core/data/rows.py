"""Whatever the user calls data -> rows the core can trust."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api.contracts import Table
from mm_core.api.errors import ColumnError, DataError, EmptyDataError, MMWarning


def _read_separated(path: Path, separator: str) -> pd.DataFrame:
    # pandas renames the second "x" to "x.1"; here a name that stands twice is an error
    header = pd.read_csv(path, sep=separator, header=None, nrows=1, dtype=str).iloc[0]
    _string_names(header.dropna())
    return pd.read_csv(path, sep=separator)


READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
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


def read_rows(data: Any) -> Rows:
    """Read a DataFrame, a CSV/TSV/Parquet/JSONL/JSON path, a dict, or a list of dicts.

    The caller's object is never changed. Relative paths in cells start at the data file's folder,
    or at the working directory for data in memory.

    Raises:
        DataError: not a supported kind of data, or an unreadable file.
        EmptyDataError: no rows.
        ColumnError: duplicate column names.
    """
    frame, folder = _read(data)
    if len(frame) == 0:
        raise EmptyDataError("the data has no rows", remedy="give at least one row")
    index = frame.index
    frame = frame.set_axis(_string_names(frame.columns), axis=1).reset_index(drop=True)
    return Rows(Table(_without_infinities(frame), folder), index)


def _read(data: Any) -> tuple[pd.DataFrame, Path]:
    if isinstance(data, pd.DataFrame):
        return data, Path()
    if isinstance(data, (str, Path)):
        return _read_file(Path(data))
    if isinstance(data, Mapping):
        scalar = not any(_is_column(value) for value in data.values())
        return pd.DataFrame([dict(data)]) if scalar else _frame(dict(data)), Path()
    if isinstance(data, Sequence) and all(isinstance(row, Mapping) for row in data):
        return pd.DataFrame(list(data)), Path()
    raise DataError(
        f"data of type {type(data).__name__} is not supported",
        value=type(data).__name__,
        remedy="give a DataFrame, a .csv/.tsv/.parquet/.jsonl path, a dict, or a list of dicts",
    )


def _is_column(value: Any) -> bool:
    return isinstance(value, (list, tuple, np.ndarray, pd.Series))


def _frame(columns: dict[str, Any]) -> pd.DataFrame:
    try:
        return pd.DataFrame(columns)
    except ValueError as error:
        raise DataError(
            f"the dict is not a table: {error}", remedy="give lists of equal length"
        ) from error


def _read_file(path: Path) -> tuple[pd.DataFrame, Path]:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"cannot tell how to read {str(path)!r}",
            value=str(path),
            remedy=f"known endings: {', '.join(READERS)}",
        )
    if not path.is_file():
        raise DataError(f"no file {str(path)!r}", value=str(path), remedy="check the path")
    try:
        return reader(path), path.parent
    except ColumnError:  # also a ValueError
        raise
    except pd.errors.EmptyDataError:
        raise EmptyDataError(
            f"{str(path)!r} is empty", value=str(path), remedy="give at least one row"
        ) from None
    except (ValueError, OSError) as error:  # parser errors of pandas and pyarrow are ValueErrors
        raise DataError(
            f"cannot read {str(path)!r}: {error}", value=str(path), remedy="check the file"
        ) from error


def _string_names(columns: Iterable[Any]) -> list[str]:
    names = [str(name) for name in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ColumnError(
            f"column name {twice[0]!r} stands {names.count(twice[0])} times",
            column=twice[0],
            remedy="rename one: df.columns = [...]",
        )
    return names


def _without_infinities(frame: pd.DataFrame) -> pd.DataFrame:
    numbers = frame.select_dtypes(include=[np.floating])
    counts = np.isinf(numbers.to_numpy(dtype=float, na_value=np.nan)).sum(axis=0)
    found = {name: int(count) for name, count in zip(numbers.columns, counts, strict=True) if count}
    if not found:
        return frame
    said = ", ".join(f"{name!r} ({count})" for name, count in found.items())
    warnings.warn(f"infinite numbers count as missing: {said}", MMWarning, stacklevel=2)
    finite = {name: numbers[name].where(~np.isinf(numbers[name].astype(float))) for name in found}
    return frame.assign(**finite)
