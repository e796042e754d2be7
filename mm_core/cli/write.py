"""Write answers to a file whose ending says the format."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mm_core.api.commands import Answer
from mm_core.api.errors import DataError, MMWarning

if TYPE_CHECKING:
    import pandas as pd


def check_ending(path: Path | None, known: Mapping[str, Any]) -> None:
    """Refuse an ending that cannot be written, before any work is done."""
    if path is not None and path.suffix.lower() not in known:
        raise typer.BadParameter(
            f"cannot tell how to write {str(path)!r}; known endings: {', '.join(known)}",
            param_hint="--out",
        )


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a table. An index that is more than the row number is kept: as columns, or as it is.

    Raises:
        DataError: the file cannot be written.
    """
    _write(path, lambda: FRAMES[path.suffix.lower()](frame, path))


def answered(frame: pd.DataFrame, out: Path | None, as_json: bool, name: str) -> Answer:
    """A table as the answer of a command: written to ``out``, or printed as CSV or JSON.

    Args:
        frame: the table.
        out: file to write; None: it is printed.
        as_json: whether JSON is asked for.
        name: key of the rows in it.

    Raises:
        DataError: the file cannot be written.
    """
    if out is not None:
        write_frame(frame, out)
        said = {"out": str(out), "rows": len(frame), "columns": [str(c) for c in frame.columns]}
        return Answer(said, f"{len(frame)} rows written to {out}")
    if as_json:
        text = with_index(frame).to_json(orient="records", double_precision=15)
        return Answer({name: json.loads(text)})
    return Answer(None, as_csv(frame).rstrip("\n"))


def write_vectors(vectors: pd.DataFrame, path: Path) -> None:
    """Write float32 [N, D]; as a table also the index.

    Raises:
        DataError: the file cannot be written.
    """
    _write(path, lambda: VECTORS[path.suffix.lower()](vectors, path))


def write_text(text: str, path: Path) -> None:
    """Write UTF-8 text.

    Raises:
        DataError: the file cannot be written.
    """
    _write(path, lambda: path.write_text(text, encoding="utf-8"))


def with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its index as leading columns, unless that only counts the rows."""
    import pandas as pd

    counts = frame.index.equals(pd.RangeIndex(len(frame))) and frame.index.name is None
    if counts:
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


def _write(path: Path, write: Callable[[], object]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write()
    except OSError as error:
        raise DataError(
            f"cannot write {str(path)!r}: {error}", value=str(path), remedy="choose another --out"
        ) from error


def as_csv(frame: pd.DataFrame) -> str:
    """The table as CSV; cells that are lists are JSON, as label columns of a CSV are read."""
    table = with_index(frame)
    lists = {
        name: [_json_of_list(cell) for cell in table[name].tolist()]
        for name in table.select_dtypes(object).columns
    }
    return table.assign(**lists).to_csv(index=False)


def _json_of_list(cell: Any) -> Any:
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, list | dict) else cell


def _csv(frame: pd.DataFrame, path: Path) -> None:
    path.write_text(as_csv(frame), encoding="utf-8", newline="")


def _parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.rename(columns=str).to_parquet(path)


def _jsonl(frame: pd.DataFrame, path: Path) -> None:
    table = with_index(frame)
    table.to_json(path, orient="records", lines=True, double_precision=15, force_ascii=False)


def _npy(vectors: pd.DataFrame, path: Path) -> None:
    import numpy as np

    np.save(path, vectors.to_numpy())


FRAMES: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".jsonl": _jsonl,
}
VECTORS: dict[str, Callable[[pd.DataFrame, Path], None]] = {".npy": _npy, ".parquet": _parquet}
