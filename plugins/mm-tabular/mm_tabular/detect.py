"""Does a column belong to the table, and in what form? Light and pure.

Numbers are ``numerical`` whatever their number of distinct values: the embeddings of numbers can
give each value its own answer, and order is information. Codes written as digits (zip codes, class
numbers) become categories through ``column_types={"zip": "categorical"}``; strings of digits with
leading zeros are taken for codes at once.
"""

from __future__ import annotations

import math
import re
from datetime import date, timedelta
from decimal import Decimal
from numbers import Real
from unicodedata import east_asian_width

from mm_core.api import ColumnSample, Detection
from mm_core.api.numerals import PLAIN, written

_NUMERIC = re.compile(rf"{PLAIN}|{written('.')}|{written(',')}")
_DIGITS = re.compile(r"^\s*(\w{3,9},? )?(\w{3,9} )?\d{1,4}\D.*\d")
_TRUTH = frozenset({"true", "false"})

FEW = 50
"""Up to so many distinct values may be long texts and still be categories, if they repeat."""

LONG = 6
"""Words on average from which strings are free text, unless there are few distinct ones."""

LEAST = 0.4
"""Share of a sample that must look like numbers, or dates, for the whole column to be looked at."""

FAINT = 0.2
"""Strings that would score less are not claimed: better reported than read as categories."""


def detect(sample: ColumnSample) -> Detection | None:
    """Claim numbers, dates, booleans and repeating short strings; leave free text alone."""
    if sample.dtype == "boolean":
        return Detection("boolean", 1.0, "boolean dtype")
    if sample.dtype == "datetime":
        return Detection("datetime", 1.0, "datetime dtype")
    if sample.dtype == "number":
        return Detection("numerical", 1.0, f"numeric dtype, {sample.n_unique} distinct values")
    if not sample.values:
        return Detection("categorical", 0.1, "no value to judge by")
    if sample.dtype == "categorical":
        return Detection("categorical", 0.95, f"categorical dtype, {sample.n_unique} categories")
    return _by_content(sample)


def _by_content(sample: ColumnSample) -> Detection | None:
    values = sample.values
    if all(isinstance(value, bool) for value in values):
        return Detection("boolean", 1.0, "every value is True or False")
    if all(isinstance(value, Real | Decimal) for value in values):
        return Detection("numerical", 0.95, "every value is a number")
    if all(isinstance(value, date) for value in values):
        return Detection("datetime", 1.0, "every value is a date")
    if all(isinstance(value, timedelta) for value in values):
        return Detection("numerical", 1.0, "every value is a duration, read as seconds")
    if not all(isinstance(value, str | Real | Decimal) for value in values):
        return None
    return _by_text(sample, [str(value) for value in values])


def _by_text(sample: ColumnSample, texts: list[str]) -> Detection | None:
    filled = [text for text in texts if text.strip()]
    if not filled:
        return Detection("categorical", 0.1, "only blank strings")
    if all(text.strip().lower() in _TRUTH for text in filled):
        return Detection("boolean", 0.95, "every value is 'true' or 'false'")
    return _by_all(sample, filled) or _categories(sample, filled)


def _by_all(sample: ColumnSample, filled: list[str]) -> Detection | None:
    """What nearly all texts of the column are, where the sample lets one think so."""
    numbers = sum(_NUMERIC.fullmatch(text.strip()) is not None for text in filled)
    dated = sum(_DIGITS.search(text) is not None for text in filled)
    if max(numbers, dated) < LEAST * len(filled):
        return None
    from mm_tabular.whole import nearly_dates, nearly_numbers  # pandas

    found = nearly_numbers(sample) if numbers >= LEAST * len(filled) else None
    return found or (nearly_dates(sample) if dated >= LEAST * len(filled) else None)


def _categories(sample: ColumnSample, texts: list[str]) -> Detection | None:
    """Score strings: 0.9 where each repeats ten times, 0.4 where none does, less for many words.

    Strings that are nearly all distinct (identifiers, paths) are not claimed: no category would
    be met again. Nor are strings of many words, unless a few of them make up the whole column.
    """
    count = max(round(sample.n_rows * (1 - sample.null_share)), 1)
    repeats = max(count / max(sample.n_unique, 1), 1.0)
    words = sum(_words(text) for text in texts) / len(texts)
    reason = f"{sample.n_unique} distinct strings in {count} rows, about {words:.0f} word(s) each"
    if (repeats >= 5 and sample.n_unique <= FEW) or (repeats >= 20 and words < LONG):
        return Detection("categorical", 0.9, reason)
    if (count >= 20 and sample.n_unique > 0.95 * count) or words >= LONG:
        return None
    score = 0.4 + 0.5 * min(1.0, math.log10(repeats))
    if words > 2:
        score *= (LONG - words) / (LONG - 2)
    return Detection("categorical", round(score, 3), reason) if score >= FAINT else None


def _words(text: str) -> float:
    """Words of a text, also of one without spaces: 8 characters, or 2 wide ones (Chinese, ...)."""
    wide = sum(east_asian_width(sign) in "WF" for sign in text)
    return max(len(text.split()), len(text) / 8, wide / 2)
