"""Answers over their pictures, by what a task's predictors offer: ``visualize``, ``overlays``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mm_core.api import DataError, Table
from mm_report.parts import as_address
from mm_report.tested import Tested

LONGEST = 960
"""Pixels of the longer side of truth and answer side by side."""

MOST_NAMED = 12
"""Things that are named in words: more are counted."""


@dataclass(frozen=True)
class Look:
    """What a row's answer looks like.

    Attributes:
        sheet: a ``data:`` address of the truth beside the answer, or empty.
        said: the answer in words, or empty.
        true: the truth in words, or empty.
    """

    sheet: str = ""
    said: str = ""
    true: str = ""


def looks(predictor: Any, tested: Tested, rows: Sequence[int]) -> dict[int, Look]:
    """Of some rows, as far as the model's task draws its answers; empty: it does not."""
    offered = {"visualize", "overlays"} & set(dir(predictor))
    if not offered:
        return {}
    found = {}
    for row in rows:
        table = tested.table.take(np.array([row]))
        answer = tested.decoded.answer.iloc[row, 0]
        sheet = _sheet(predictor, table) if "visualize" in offered else ""
        words = "overlays" in offered
        said = _said(predictor, table, [answer]) if words else ""
        found[row] = Look(sheet, said, _said(predictor, table, None) if words else "")
    return found


def _sheet(predictor: Any, table: Table) -> str:
    try:
        pictures = predictor.visualize(table, rows=[0])
    except DataError:  # of a row whose picture is missing or broken: the page counts those
        return ""
    if not pictures:
        return ""
    return as_address(pictures[0].convert("RGB"), LONGEST, quality=82)


def _said(predictor: Any, table: Table, answers: list[Any] | None) -> str:
    """A row's answer; of None its labels, which are empty where they cannot be laid over it."""
    try:
        (found,) = predictor.overlays(table, answers)
    except DataError:
        if answers is None:
            return ""
        raise
    if found is None:
        return "no picture, no answer" if answers is not None else ""
    said = [*map(_box, found["boxes"]), *map(_share, found["legend"])]
    if not said:
        return "nothing found" if answers is not None else "nothing there"
    more = len(said) - MOST_NAMED
    return "; ".join(said[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _box(box: Mapping[str, Any]) -> str:
    x1, y1, x2, y2 = (round(one) for one in box["corners"])
    score = "" if box["score"] is None else f" {box['score']:.2f}"
    return f"{box['name']}{score} ({x1}, {y1} to {x2}, {y2})"


def _share(kind: Mapping[str, Any]) -> str:
    return f"{kind['name']} {kind['share']:.1%}"
