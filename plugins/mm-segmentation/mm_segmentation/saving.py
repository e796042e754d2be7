"""Answers as files: a PNG for each mask. Pillow and numpy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from mm_core.api import DataError


def save(answers: pd.DataFrame, rows: Sequence[int], folder: Path) -> pd.DataFrame:
    """Write arrays as ``masks/<row>.png``; probabilities as 16-bit grey, 65535 for 1.

    Args:
        answers: one column; cells that are no arrays stay as they are.
        rows: positions of the rows in the data.
        folder: to write to.

    Returns:
        Names of the files, from the folder, in place of arrays.

    Raises:
        DataError: probabilities of each class, which are no picture.
    """
    (folder / "masks").mkdir(parents=True, exist_ok=True)
    (name,) = answers.columns
    cells: list[Any] = []
    for row, cell in zip(rows, answers[name], strict=True):
        if not isinstance(cell, np.ndarray):
            cells.append(cell)
            continue
        file = f"masks/{row:06d}.png"
        _image(cell).save(folder / file)
        cells.append(file)
    return pd.DataFrame({name: pd.Series(cells, dtype=object, index=answers.index)})


def _image(mask: np.ndarray[Any, Any]) -> Image.Image:
    if mask.ndim != 2:
        raise DataError(
            f"an answer {list(mask.shape)} is no picture",
            value=list(mask.shape),
            remedy="form=probability, mask, rle or record; form=probabilities stays in memory",
        )
    if mask.dtype.kind == "f":
        return Image.fromarray(np.rint(mask * 65535).astype(np.uint16))
    return Image.fromarray(mask if mask.dtype == np.uint8 else mask.astype(np.uint16))
