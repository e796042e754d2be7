"""Masks as runs of pixels, as COCO has them: down the columns, first what is not in the mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def mask_to_runs(mask: np.ndarray[Any, Any]) -> dict[str, Any]:
    """``{"size": [height, width], "counts": "..."}`` of a bool [H, W], in COCO's short form."""
    flat = np.asarray(mask, dtype=bool).flatten(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(np.concatenate([[0], changes, [flat.size]])) if flat.size else changes
    if flat.size and flat[0]:
        counts = np.concatenate([[0], counts])
    return short_runs(mask.shape, counts)


def short_runs(size: Sequence[int], counts: np.ndarray[Any, Any]) -> dict[str, Any]:
    """COCO's short form of a mask's height, width and lengths of runs, as :func:`run_lengths`."""
    return {"size": [int(one) for one in size], "counts": _written(counts)}


def runs_to_mask(runs: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """uint8 [H, W], 1 in the mask, of COCO's form with counts as a text or as a list of numbers.

    Raises:
        ValueError: it is no such record, or its counts are not those of its size.
    """
    (height, width), counts = run_lengths(runs)
    values = np.arange(len(counts), dtype=np.uint8) % 2
    return np.repeat(values, counts).reshape((height, width), order="F")


def run_lengths(runs: Mapping[str, Any]) -> tuple[tuple[int, int], np.ndarray[Any, Any]]:
    """Height and width, and int64 [n], the lengths of the runs: every second is in the mask.

    Raises:
        ValueError: it is no such record, or its counts are not those of its size.
    """
    try:
        height, width = (int(one) for one in runs["size"])
        given = runs["counts"]
        text = isinstance(given, str | bytes)
        counts = _read(given) if text else np.array([int(one) for one in given], np.int64)
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"is no run-length code of a mask: {error!r}") from error
    total = int(counts.sum())
    if min(height, width) < 0 or (counts < 0).any() or total != height * width:
        raise ValueError(f"has runs of {total} pixels in all, not {height} x {width}")
    return (height, width), counts


_DIGITS = 12
"""Of 5 bits, in a number of 64."""


def _written(counts: np.ndarray[Any, Any]) -> str:
    """COCO's text: 5 bits a character, least first; from the fourth on the step from two back."""
    left = counts.copy()
    left[3:] -= counts[1:-2]
    more = np.ones(len(left), dtype=bool)
    characters = []
    while more.any():
        bits = left & 0x1F
        left = left >> 5
        again = more & (left != np.where(bits & 0x10, -1, 0))
        characters.append(np.where(more, bits + np.where(again, 0x20, 0) + 48, 0))
        more = again
    flat = np.array(characters, np.uint8).T.ravel()
    return flat[flat > 0].tobytes().decode("ascii")


def _read(text: str | bytes) -> np.ndarray[Any, Any]:
    codes = np.frombuffer(text.encode("ascii") if isinstance(text, str) else text, np.uint8)
    digits = codes.astype(np.int64) - 48
    if not len(digits):
        return digits
    ends = np.flatnonzero(digits < 0x20)
    if digits.min() < 0 or digits.max() > 0x3F or not len(ends) or ends[-1] != len(digits) - 1:
        raise ValueError("is no run-length code of a mask: its counts are no such text")
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > _DIGITS:
        raise ValueError("is no run-length code of a mask: its counts have a number without end")
    shifts = 5 * (np.arange(len(digits)) - np.repeat(starts, lengths))
    counts = np.add.reduceat((digits & 0x1F) << shifts, starts)
    counts -= np.where(digits[ends] & 0x10, np.int64(1) << (5 * lengths), 0)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return counts
