"""Points and boxes that say which thing is meant. Heavy: imports torch.

A row's prompts are float [n, 5]: x, y, 0, 0, 1 of a point that is in and with 0 of one that is out;
x1, y1, x2, y2, 2 of a box; in pixels of the canvas. n is 0 where nothing is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mm_core.api import ConfigError

PROMPTS = "prompts"
"""Name of the array."""


def on_canvas(
    prompts: Sequence[Mapping[str, Any] | None], rows: Sequence[int], size: Any, extent: Any
) -> list[Tensor]:
    """Those of the rows of a batch.

    Args:
        prompts: of all rows, ``{"points": [[x, y], ...], "labels": [1, 0, ...], "boxes": ...}``, in
            pixels of the pictures; None: of this row nothing is asked.
        rows: positions of the rows of the batch.
        size: [B, 2] widths and heights of the pictures.
        extent: [B, 2] of what they fill of the canvas.

    Raises:
        ConfigError: there are not as many as rows, or they are no points and boxes.
    """
    if max(rows, default=-1) >= len(prompts):
        raise ConfigError(
            f"{len(prompts)} prompt(s) are given, and there is a row {max(rows)}",
            value=len(prompts),
            remedy="give one for each row, None where nothing is asked",
        )
    found = []
    for place, row in enumerate(rows):
        scale = np.divide(_array(extent[place]), _array(size[place]))
        found.append(torch.from_numpy(_one(prompts[row] or {}, row) * [*scale, *scale, 1]).float())
    return found


def pieces(codes: Tensor, share: float) -> tuple[list[Tensor], Tensor]:
    """A point in one piece of some masks, and masks of that piece alone.

    Args:
        codes: int16 [B, H, W] of one thing to find.
        share: of the rows that are asked for a piece.
    """
    from scipy.ndimage import label

    asked, wanted = [], codes.clone()
    for row in range(len(codes)):
        inside = (codes[row] == 1).nonzero()
        if len(inside) == 0 or float(torch.rand(())) >= share:
            asked.append(torch.zeros((0, 5)))
            continue
        y, x = inside[int(torch.randint(len(inside), ()))].tolist()
        numbers, _ = label((codes[row] == 1).cpu().numpy())
        piece = torch.from_numpy(numbers == numbers[y, x]).to(codes.device)
        wanted[row] = torch.where((codes[row] == 1) & ~piece, 0, codes[row])
        asked.append(torch.tensor([[float(x), float(y), 0.0, 0.0, 1.0]]))
    return asked, wanted


def _one(given: Mapping[str, Any], row: int) -> np.ndarray[Any, Any]:
    try:
        points = np.array(given.get("points") or np.zeros((0, 2)), np.float64).reshape(-1, 2)
        labels = np.array(given.get("labels") or np.ones(len(points)), np.float64)
        boxes = np.array(given.get("boxes") or np.zeros((0, 4)), np.float64).reshape(-1, 4)
        if set(given) - {"points", "labels", "boxes"} or len(labels) != len(points):
            raise ValueError(f"keys {sorted(given)}, {len(points)} points, {len(labels)} labels")
        if not np.isin(labels, (0, 1)).all():
            raise ValueError("labels are 1, in the thing, or 0, outside")
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"prompts of row {row} are no points and boxes: {error}",
            value=dict(given),
            remedy="{'points': [[x, y], ...], 'labels': [1, 0, ...], 'boxes': [[x1, y1, x2, y2]]}",
        ) from error
    zeros = np.zeros((len(points), 2))
    marks = np.column_stack([points, zeros, labels])
    return np.concatenate([marks, np.column_stack([boxes, np.full(len(boxes), 2.0)])])


def _array(values: Any) -> Any:
    return values.cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
