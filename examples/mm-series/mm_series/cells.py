"""The forms of a cell. Light: the detector and the processor both read cells by it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

SEPARATORS = ";|,"
"""Tried in this order; white space where there is none of them."""

GAPS = frozenset({"", "nan", "na", "null", "none"})
"""What stands for a gap between separators, in lower case."""


def read(cell: object) -> tuple[str, Sequence[Any]] | None:
    """A cell's form (a kind of the modality) and its items; None where it has no such form.

    The form is the cell's own, not the column's: a model that was trained on the texts of a CSV
    also answers lists. Items of a text are floats, with None or NaN for gaps; those of lists and
    arrays are as they come, and may turn out not to be numbers.
    """
    if isinstance(cell, str):
        return _read_text(cell.strip())
    if isinstance(cell, (list, tuple)):
        return "array", cell
    if getattr(cell, "ndim", None) == 1 and hasattr(cell, "tolist"):  # numpy, pandas, torch
        return "array", cell.tolist()
    return None


def _read_text(text: str) -> tuple[str, Sequence[Any]] | None:
    if not text.startswith("["):
        return _read_separated(text)
    try:
        return "json", json.loads(text, parse_int=float)
    except (ValueError, RecursionError):
        printed = text.endswith("]") and not any(mark in text for mark in SEPARATORS)
        return _read_separated(text[1:-1]) if printed else None  # as numpy prints: [0.1 0.2 0.3]


def _read_separated(text: str) -> tuple[str, Sequence[Any]] | None:
    separator = next((character for character in SEPARATORS if character in text), None)
    tokens = text.split(separator)
    try:
        return ("separated", [_number(token.strip()) for token in tokens]) if tokens else None
    except ValueError:
        return None


def _number(token: str) -> float | None:
    if token.lower() in GAPS:
        return None
    if "_" in token:  # float reads 1_000
        raise ValueError(token)
    return float(token)
