"""Boxes that were found against those that are there: right, double, wrong class, missed. numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mm_detection.boxes import Box, Class

OVERLAP = 0.5

Said = Sequence[object]
"""An answer's box: x1, y1, x2, y2, class, score."""


@dataclass(frozen=True)
class Matched:
    """What became of the boxes of one picture.

    Attributes:
        found: of each found box, ``"right"``, ``"double"`` (the true box was found by a better one
            already), ``"class"`` (a true box of another class is there), ``"extra"`` (nothing is
            there), or ``"ignored"``.
        true: of each true box, ``"right"``, ``"class"``, ``"missed"`` or ``"ignored"``.
        pairs: (true class or None, found class or None), for a table of confusion.
    """

    found: list[str]
    true: list[str]
    pairs: list[tuple[Class | None, Class | None]]


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes [n, 4] and [m, 4]: [n, m]."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:4], second[None, :, 2:4])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = [np.prod(one[:, 2:4] - one[:, :2], axis=1) for one in (first, second)]
    return np.asarray(shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-12))


def matched(
    true: Sequence[Box],
    said: Sequence[Said],
    overlap: float = OVERLAP,
    shared: np.ndarray | None = None,
) -> Matched:
    """Match found boxes, the best first, each to the true one that it overlaps most.

    A true box of its own class comes before others.

    Args:
        true: what there is.
        said: what was found.
        overlap: from which on a found box is taken for a true one.
        shared: overlaps [said, true], such as those of masks; None: those of the boxes.
    """
    if shared is None:
        corners = np.array([box.corners for box in true], np.float64).reshape(-1, 4)
        found = np.array([box[:4] for box in said], np.float64).reshape(-1, 4)
        shared = iou(found, corners)
    became = ["ignored" if box.ignore else "missed" for box in true]
    verdicts: list[str] = []
    pairs: list[tuple[Class | None, Class | None]] = []
    for place, box in enumerate(said):
        near = [i for i in np.argsort(-shared[place]) if shared[place, i] >= overlap]
        own = [i for i in near if true[i].name == box[4]]
        free = [i for i in own if became[i] in ("missed", "class")]
        other = [i for i in near if true[i].name != box[4] and became[i] == "missed"]
        if free:
            became[free[0]] = "right"
            verdicts.append("right")
            pairs.append((true[free[0]].name, _class(box)))
        elif any(became[i] == "ignored" for i in near):
            verdicts.append("ignored")
        elif own:
            verdicts.append("double")
            pairs.append((None, _class(box)))
        elif other:
            became[other[0]] = "class"
            verdicts.append("class")
            pairs.append((true[other[0]].name, _class(box)))
        else:
            verdicts.append("extra")
            pairs.append((None, _class(box)))
    pairs += [(box.name, None) for box, what in zip(true, became, strict=True) if what == "missed"]
    return Matched(verdicts, became, pairs)


def _class(box: Said) -> Class:
    name = box[4]
    assert isinstance(name, str | int)
    return name
