"""Texts of dates: which formats read them. Light.

Digits are ASCII, as those of numbers are: ``strptime`` reads others in some places only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache

__all__ = ["ISO", "forms_of", "is_iso_like"]

ISO = "ISO8601"
"""2024-05-31, 2024-05-31T10:00:00Z, 2024-05-31 10:00 and the like (pandas' name for it)."""

_DAYS = (
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%y",
    "%d/%m/%y",
    "%Y/%m/%d",
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%d.%m.%y",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%d %b %Y",
    "%d %B %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%b %d %Y",
)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S %z")
_FORMATS = (
    *(day + time for time in _TIMES for day in _DAYS),
    "%a %b %d %H:%M:%S %z %Y",
    "%a, %d %b %Y %H:%M:%S %z",
)
"""strptime formats in this order: month before day where both fit every text."""

_ISO_LIKE = re.compile(r"[0-9]{4}-[0-9]{2}(-[0-9]{2}|$)")
_OTHER_DIGIT = re.compile(r"[^\D0-9]")


def forms_of(texts: Sequence[str]) -> list[str]:
    """The formats that read every text, month before day: ``ISO8601`` alone, or those of strptime.

    Blanks around a text are nothing.
    """
    bare = [text.strip() for text in texts]
    if not bare or any(_OTHER_DIGIT.search(text) for text in bare):
        return []
    if all(_is_iso(text) for text in bare):
        return [ISO]
    # strptime compiles a pattern for each format it is asked for: a look at the signs comes first.
    alike = [form for form in _FORMATS if _separators(bare[0]).startswith(_shape(form))]
    return [form for form in alike if all(_fits(text, form) for text in bare)]


def is_iso_like(text: str) -> bool:
    """Whether a text begins as ISO 8601 dates do."""
    return _ISO_LIKE.match(text) is not None


def _is_iso(text: str) -> bool:
    if not _ISO_LIKE.match(text):
        return False
    try:
        datetime.fromisoformat(text if len(text) > len("2024-05") else f"{text}-01")
    except ValueError:
        return False
    return True


@cache
def _shape(form: str) -> str:
    """The separators of every text of a format; what a time zone has of them is left open."""
    return _separators(re.sub(r"%[a-zA-Z]", "0", form.partition("%z")[0]))


def _separators(text: str) -> str:
    """What is neither letter nor digit, blanks in a row as one."""
    return re.sub(r"[^\W_]+", "", re.sub(r"\s+", " ", text))


def _fits(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True
