"""How numbers and missing cells are spelled in texts; shared by detector and processor. Light."""

from __future__ import annotations

import re

BLANK = frozenset(
    [
        *("", "na", "n/a", "#na", "#n/a", "#n/a n/a", "<na>", "null", "none", "nan", "-nan"),
        *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
    ]
)
"""Missing wherever they stand among numbers or dates, in small letters."""

MARKS = frozenset(
    [
        *("?", "-", "--", "---", "\u2013", "\u2014", ".", "..", "...", "*", "n.a.", "(null)"),
        *("unknown", "missing", "undefined", "not available", "nil", "#div/0!", "#value!"),
        *("#ref!", "#name?", "#null!", "#num!", "0000-00-00", "0000-00-00 00:00:00"),
        *("00.00.0000", "00/00/0000"),
    ]
)
"""Missing among numbers and dates too, and told, in small letters."""

_UNIT = r"[%\u20ac$\u00a3\u00a5\u20b9]|EUR|USD|GBP|CHF|JPY"
UNIT = re.compile(_UNIT)
NUMBER = r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*"
CODE = r"\s*0\d+\s*"

_GROUPS = {".": r"[, '\u00a0\u202f\u2019]", ",": r"[. '\u00a0\u202f\u2019]"}


def written(decimal: str) -> str:
    """Pattern of numbers with this sign before the fractions, groups of thousands and a unit."""
    whole = rf"(?:\d{{1,3}}(?:{_GROUPS[decimal]}\d{{3}})+|\d+)"
    unit = rf"(?:(?:{_UNIT})\s*)?"  # its blanks within: no two ways to part a run of them
    return rf"\s*(?:[+-]\s*)?{unit}[+-]?{whole}(?:\{decimal}\d+)?\s*{unit}"


def ornaments(decimal: str) -> str:
    """Pattern of what is taken off such a number before it is read."""
    return rf"{_UNIT}|{_GROUPS[decimal]}|\s"
