"""Masks as runs of pixels, as COCO has them: down the columns, first what is not in the mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def mask_to_runs(mask: np.ndarray[Any, Any]) -> dict[str, Any]:
    """``{"size": [height, width], "counts": "..."}`` of a bool [H, W], in COCO's short form."""
    flat = np.asarray(mask, dtype=bool).flatten(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *changes, flat.size]).tolist() if flat.size else []
    if flat.size and flat[0]:
        counts = [0, *counts]
    return {"size": [int(one) for one in mask.shape], "counts": _written(counts)}


def runs_to_mask(runs: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """uint8 [H, W], 1 in the mask, of COCO's form with counts as a text or as a list of numbers.

    Raises:
        ValueError: it is no such record, or its counts are not those of its size.
    """
    (height, width), counts = run_lengths(runs)
    values = np.arange(len(counts), dtype=np.uint8) % 2
    return np.repeat(values, counts).reshape((height, width), order="F")


def run_lengths(runs: Mapping[str, Any]) -> tuple[tuple[int, int], list[int]]:
    """Height and width, and the lengths of the runs, of which every second is in the mask.

    Raises:
        ValueError: it is no such record, or its counts are not those of its size.
    """
    try:
        height, width = (int(one) for one in runs["size"])
        counts = runs["counts"]
        counts = _read(counts) if isinstance(counts, str | bytes) else [int(one) for one in counts]
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"is no run-length code of a mask: {error!r}") from error
    if min(height, width, *counts, 0) < 0 or sum(counts) != height * width:
        raise ValueError(f"has runs of {sum(counts)} pixels in all, not {height} x {width}")
    return (height, width), counts


def _written(counts: Sequence[int]) -> str:
    """COCO's text: 5 bits a character, least first; from the fourth on the step from two back."""
    text = []
    for place, count in enumerate(counts):
        left = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            bits = left & 0x1F
            left >>= 5
            more = left != (-1 if bits & 0x10 else 0)
            text.append(chr(bits + (0x20 if more else 0) + 48))
    return "".join(text)


def _read(text: str | bytes) -> list[int]:
    codes = text.encode("ascii") if isinstance(text, str) else text
    counts: list[int] = []
    place = 0
    while place < len(codes):
        value, shift, more = 0, 0, True
        while more:
            bits = codes[place] - 48
            value |= (bits & 0x1F) << shift
            more = bool(bits & 0x20)
            place, shift = place + 1, shift + 5
            if not more and bits & 0x10:
                value |= -1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return counts
