"""How numbers are written in texts: patterns of ``re`` that pandas and arrow read alike. Light.

Each is of a whole text without the blanks around it. Digits are ASCII: nothing reads others.
"""

from __future__ import annotations

__all__ = ["CODE", "PLAIN", "UNIT", "WHOLE", "between", "grouped", "written"]

WHOLE = r"[+-]?[0-9]+"
"""``12``, ``-3``."""

PLAIN = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
"""What ``float`` reads, infinity aside: ``12``, ``-1.5``, ``.5``, ``1e-3``."""

CODE = r"0[0-9]+"
"""Digits whose zero in front says that they count nothing: ``007``, a zip code."""

UNIT = "[%$\u00a3\u20ac\u00a5\u20b9]|EUR|USD|GBP|CHF|JPY"
"""What may stand before or behind a number."""

_BLANK = " \u00a0\u2009\u202f"  # not \s, which is Unicode's for re and ASCII's for arrow
_OTHER = {".": ",", ",": "."}


def written(decimal: str) -> str:
    """Numbers as people write them: ``$1,132.50``, ``1 132 %``; with a comma ``-1.132,5 EUR``.

    What is between thousands, and the unit, may be missing; no number of thousands begins with a
    zero, so ``0,132`` has a decimal comma. A blank is a space, also a thin or a no-break one.

    Args:
        decimal: the sign before fractions, ``"."`` or ``","``.
    """
    unit = f"(?:(?:{UNIT})[{_BLANK}]*)?"  # its blanks within: no two ways to part a run of them
    number = _digits(decimal, between(decimal))
    return f"(?:[+-][{_BLANK}]*{unit}|{unit}[+-]?){number}[{_BLANK}]*{unit}"


def grouped(decimal: str) -> str:
    """Such numbers alone: no unit, and nothing but ``,`` or ``.`` between thousands."""
    return f"[+-]?{_digits(decimal, _OTHER[decimal])}"


def between(decimal: str) -> str:
    """The signs that may stand between the thousands of a number that is :func:`written`."""
    return f"{_OTHER[decimal]}{_BLANK}'\u2019"


def _digits(decimal: str, parted: str) -> str:
    return rf"(?:[1-9][0-9]{{0,2}}(?:[{parted}][0-9]{{3}})+|[0-9]+)(?:[{decimal}][0-9]+)?"
