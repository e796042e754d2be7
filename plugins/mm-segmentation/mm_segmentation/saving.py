"""Answers as files: a PNG for each mask, JSON for the things of a picture. Pillow and numpy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from mm_core.api import DataError

_LARGEST = 65535


def save(answers: pd.DataFrame, rows: Sequence[int], folder: Path) -> pd.DataFrame:
    """Write arrays as ``masks/<row>.png``; probabilities as 16-bit grey, 65535 for 1.

    Args:
        answers: one column; cells that are no arrays stay as they are.
        rows: positions of the rows in the data.
        folder: to write to.

    Returns:
        Names of the files, from the folder, in place of arrays.

    Raises:
        DataError: probabilities of each class, which are no picture, or values that no PNG holds.
    """
    (folder / "masks").mkdir(parents=True, exist_ok=True)
    (name,) = answers.columns
    cells: list[Any] = []
    for row, cell in zip(rows, answers[name], strict=True):
        if not isinstance(cell, np.ndarray):
            cells.append(cell)
            continue
        file = f"masks/{row:06d}.png"
        _image(cell, row).save(folder / file)
        cells.append(file)
    return pd.DataFrame({name: pd.Series(cells, dtype=object, index=answers.index)})


def save_things(answers: pd.DataFrame, rows: Sequence[int], folder: Path) -> pd.DataFrame:
    """Write lists of things as ``things/<row>.json``, maps as :func:`save` does.

    Args:
        answers: one column; cells that are neither stay as they are.
        rows: positions of the rows in the data.
        folder: to write to.

    Returns:
        Names of the files, from the folder, in place of answers.
    """
    (name,) = answers.columns
    cells = answers[name].tolist()
    if any(isinstance(cell, np.ndarray) for cell in cells):
        return save(answers, rows, folder)
    (folder / "things").mkdir(parents=True, exist_ok=True)
    for place, (row, cell) in enumerate(zip(rows, cells, strict=True)):
        if isinstance(cell, list):
            cells[place] = f"things/{row:06d}.json"
            (folder / cells[place]).write_text(json.dumps(cell), encoding="utf-8")
    return pd.DataFrame({name: pd.Series(cells, dtype=object, index=answers.index)})


def _image(mask: np.ndarray[Any, Any], row: int) -> Image.Image:
    if mask.ndim != 2:
        raise DataError(
            f"an answer {list(mask.shape)} is no picture",
            rows=[row],
            value=list(mask.shape),
            remedy="form=probability, mask, rle or record; form=probabilities stays in memory",
        )
    if mask.dtype.kind == "f":
        return Image.fromarray(np.rint(mask * _LARGEST).astype(np.uint16))
    if mask.dtype == np.uint8:
        return Image.fromarray(mask)
    if mask.min() < 0 or mask.max() > _LARGEST:
        wide = int(mask.max() if mask.max() > _LARGEST else mask.min())
        raise DataError(
            f"row {row}: no PNG holds the value {wide}, those of 16 bits end at {_LARGEST}",
            rows=[row],
            value=wide,
            remedy="form=rle into a file, or fit on masks with smaller class numbers",
        )
    return Image.fromarray(mask.astype(np.uint16))
