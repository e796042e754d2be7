"""Files and tables of other libraries -> frames, as they are: no string becomes something else."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from mm_core.api.errors import DataError
from mm_core.data.separated import CSVFile, read_separated


def foreign_table(data: Any) -> pd.DataFrame | None:
    """A table of pyarrow or polars as a frame; None: it is none. Neither is imported for it."""
    home = type(data).__module__.partition(".")[0]
    if home not in ("pyarrow", "polars"):
        return None
    if home == "polars" and hasattr(data, "collect"):  # a query that is not run yet
        data = data.collect()
    convert = getattr(data, "to_pandas", None)
    table = None if convert is None else convert()
    return index_as_columns(table) if isinstance(table, pd.DataFrame) else None


def _csv(path: Path) -> pd.DataFrame:
    return read_separated(CSVFile(path))


def _parquet(path: Path) -> pd.DataFrame:
    return index_as_columns(pd.read_parquet(path))


def index_as_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """A named index of a file, or of another library's table, is a column too, as in ``to_csv``.

    It stays the index of the rows, and so of answers.
    """
    named = [level for level, name in enumerate(frame.index.names) if name is not None]
    if not named:
        return frame
    # A name that a column has is told where the names are checked.
    return frame.reset_index(level=named, allow_duplicates=True).set_axis(frame.index, axis=0)


def _json(path: Path, lines: bool) -> pd.DataFrame:
    """A string of JSON stays a string, and a number is read to its last digit."""
    frame = pd.read_json(path, lines=lines, dtype=False, precise_float=True, convert_axes=False)
    if lines or isinstance(frame.index, pd.RangeIndex):
        return frame
    # {"x": {"0": ...}} writes numbers of rows as texts.
    counted = pd.to_numeric(frame.index.to_series(), errors="coerce")
    return frame if counted.isna().any() else frame.set_axis(pd.Index(counted.to_numpy()), axis=0)


def _excel(path: Path) -> pd.DataFrame:
    """The first sheet, its cells as Excel has them: a text of digits stays one.

    Raises:
        DataError: openpyxl is not installed.
    """
    if importlib.util.find_spec("openpyxl") is None:
        raise DataError(
            f"{str(path)!r} is an Excel file, which openpyxl reads, and it is not installed",
            value=str(path),
            remedy="pip install 'mm-core[excel]'",
        )
    cells = pd.read_excel(
        path, engine="openpyxl", dtype=object, keep_default_na=False, na_values=[""]
    )
    return cells.infer_objects()


FORMATS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
    ".pq": _parquet,
    ".jsonl": partial(_json, lines=True),
    ".json": partial(_json, lines=False),
    ".xlsx": _excel,
}
"""Ending -> how it is read; ``.gz`` behind that of a CSV or JSON is unpacked."""
