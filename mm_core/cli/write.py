"""Write answers to a file whose ending says the format."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mm_core.api.commands import Answer
from mm_core.api.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from mm_core.data.write import Written

ANSWERS = (".csv", ".parquet", ".jsonl")
"""Endings of files of answers."""


def check_ending(path: Path | None, known: Collection[str], also: str = "") -> None:
    """Refuse an ending that cannot be written, before any work is done.

    Args:
        path: as given.
        known: endings.
        also: said after them.
    """
    if path is not None and path.suffix.lower() not in known:
        raise typer.BadParameter(
            f"cannot tell how to write {str(path)!r}; known endings: {', '.join(known)}{also}",
            param_hint="--out",
        )


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
    from mm_core.data.write import Written, as_csv, sink, with_index

    if out is not None:
        with sink(out) as file:
            file.write(frame)
        return written(Written(out, len(frame), tuple(map(str, frame.columns))))
    if as_json:
        text = with_index(frame).to_json(orient="records", double_precision=15)
        return Answer({name: json.loads(text)})
    return Answer(None, as_csv(frame).rstrip("\n"))


def written(file: Written) -> Answer:
    """What is said of a file of answers."""
    said = {"out": str(file.path), "rows": file.rows, "columns": list(file.columns)}
    return Answer(said, f"{file.rows} rows written to {file.path}")


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


def _write(path: Path, write: Callable[[], object]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write()
    except OSError as error:
        raise DataError(
            f"cannot write {str(path)!r}: {error}",
            value=str(path),
            remedy="name a file in a folder that you may write to: --out FILE",
        ) from error


def _parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.rename(columns=str).to_parquet(path)


def _npy(vectors: pd.DataFrame, path: Path) -> None:
    import numpy as np

    np.save(path, vectors.to_numpy())


VECTORS: dict[str, Callable[[pd.DataFrame, Path], None]] = {".npy": _npy, ".parquet": _parquet}
