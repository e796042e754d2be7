"""Texts of a file -> cells: what a column of texts holds is told by all of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mm_core.api.numerals import CODE, PLAIN, WHOLE, grouped

MISSING_WORDS = frozenset(
    [
        *("NA", "N/A", "n/a", "#NA", "#N/A", "#N/A N/A", "<NA>", "NULL", "null", "None"),
        *("NaN", "nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
    ]
)
"""Missing beside numbers and truths; among words they are words, as they are in a frame."""

_WORDS = pa.array(sorted(MISSING_WORDS))
_TRUE = pa.array(["True", "TRUE", "true"])
_TRUTHS = pa.array(["True", "TRUE", "true", "False", "FALSE", "false"])
_BEYOND = "beyond"
_FIRST = 64

_NUMBER = rf"{PLAIN}|[+-]?(?i:inf|infinity)"
_COMMA = grouped(",")
_THOUSANDS = r"[+-]?([1-9][0-9]{0,2},[0-9]{3}|[0-9]{1,3})"


@dataclass(frozen=True)
class Held:
    """What the cells of a column hold, or those of a part of it.

    Attributes:
        filled: cells that are neither empty nor one of :data:`MISSING_WORDS`.
        empty: cells of nothing.
        words: the missing words, and how often each stands.
        dtypes: of the numbers, if all that is filled is a number; empty otherwise.
        codes: whether there is one with a leading zero.
        truths: whether all that is filled is true or false.
        commas: whether all that is filled is a number with a decimal comma, or a whole one, and
            some have the comma.
        points: whether there are numbers whose point can only be a decimal one.
        thousands: whether all that is filled is also a whole number with a comma between its
            thousands, and none has four digits without one.
    """

    filled: int
    empty: int
    words: Counter[str]
    dtypes: frozenset[str]
    codes: bool
    truths: bool
    commas: bool
    points: bool
    thousands: bool

    @property
    def holed(self) -> bool:
        """Whether cells are missing, unless its words are words."""
        return bool(self.empty or self.words)

    @property
    def comma_like(self) -> bool:
        """Whether these may stand in a column of decimal commas."""
        return self.commas or (bool(self.dtypes) and not self.points)

    @property
    def numbers(self) -> bool:
        """Whether they are numbers with a point, or whole."""
        return bool(self.dtypes) and not self.codes and _BEYOND not in self.dtypes

    @classmethod
    def of(cls, texts: Any, commas: bool) -> Held:
        """Look at all of them; the empty ones are null.

        Args:
            texts: the column, or a part of it, as an array of arrow.
            commas: whether decimal commas are looked for.
        """
        word = pc.is_in(texts, value_set=_WORDS)
        there = texts.filter(pc.and_not(pc.is_valid(texts), word))
        dtypes = _dtypes(there)
        return cls(
            filled=len(there),
            empty=texts.null_count,
            words=Counter(texts.filter(word).to_pylist()),
            dtypes=dtypes,
            codes=bool(dtypes) and _codes(there),
            truths=not dtypes
            and bool(pc.all(pc.is_in(there, value_set=_TRUTHS), min_count=0).as_py()),
            commas=commas and not dtypes and _all(there, _COMMA) and _holds(there, ","),
            points=commas and "float64" in dtypes and not _all(there, _COMMA),
            thousands=commas and _all(there, _THOUSANDS),
        )

    def and_of(self, more: Held) -> Held:
        """Of both parts together."""
        empty, words = self.empty + more.empty, self.words + more.words
        if not self.filled or not more.filled:
            return replace(self if self.filled else more, empty=empty, words=words)
        return Held(
            filled=self.filled + more.filled,
            empty=empty,
            words=words,
            dtypes=self.dtypes | more.dtypes if self.dtypes and more.dtypes else frozenset(),
            codes=self.codes or more.codes,
            truths=self.truths and more.truths,
            commas=(self.commas or more.commas) and self.comma_like and more.comma_like,
            points=self.points or more.points,
            thousands=self.thousands and more.thousands,
        )


def cells_of(texts: Any, held: Held, decimal: str) -> pd.Series:
    """The column as numbers, truths or words, by what all of it holds.

    Args:
        texts: the column or a part of it, as an array of arrow.
        held: what all of it holds.
        decimal: the sign before fractions, ``"."`` or ``","``.
    """
    if not held.filled:  # nothing but empty cells and words for it
        return _words(texts) if held.words else pd.Series(np.full(len(texts), np.nan))
    if held.truths:
        word = pc.is_in(texts, value_set=_WORDS)
        truth = pd.Series(pc.is_in(texts, value_set=_TRUE).to_numpy())
        known = pd.Series(pc.and_not(pc.is_valid(texts), word).to_numpy())
        return truth.astype(object).where(known, np.nan) if held.holed else truth
    dtypes = held.dtypes
    if decimal == "," and held.comma_like and dtypes <= {"float64"}:  # also 1.000, a thousand
        texts = pc.replace_substring(pc.replace_substring(texts, ".", ""), ",", ".")
        dtypes = frozenset(("float64",))
    elif not held.numbers:
        return _words(texts)
    if held.words:
        word = pc.is_in(texts, value_set=_WORDS)
        texts = pc.if_else(word, pa.scalar(None, texts.type), texts)
    if held.holed or "float64" in dtypes:
        return _numbers(texts, "float64")
    return _numbers(texts, "uint64" if "uint64" in dtypes else "int64")


def _words(texts: Any) -> pd.Series:
    words: pd.Series = texts.to_pandas()
    return words


def _numbers(texts: Any, dtype: Literal["float64", "int64", "uint64"]) -> pd.Series:
    try:
        return pd.Series(pc.cast(texts, dtype).to_numpy())
    except pa.ArrowInvalid:  # "+5", " 5 "
        return pd.to_numeric(_words(texts)).astype(dtype)


def _dtypes(there: Any) -> frozenset[str]:
    """Of the numbers that these texts are; empty: some are none."""
    if not len(there) or not _all(there, _NUMBER):
        return frozenset()
    if not _all(there, WHOLE):
        return frozenset(("float64",))
    try:
        pc.cast(there, pa.int64())
    except pa.ArrowInvalid:
        kind = str(pd.to_numeric(_words(there)).dtype)
        # Whole numbers beyond 64 bits stay objects or texts.
        return frozenset((kind if kind in ("int64", "uint64") else _BEYOND,))
    return frozenset(("int64",))


def _matches(texts: Any, pattern: str) -> Any:
    """The texts that the pattern matches, the blanks around them aside."""
    return pc.match_substring_regex(texts, rf"^\s*(?:{pattern})\s*$")


def _all(texts: Any, pattern: str) -> bool:
    first = pc.all(_matches(texts[:_FIRST], pattern), min_count=0)  # most that fail, fail here
    return bool(first.as_py()) and bool(
        pc.all(_matches(texts[_FIRST:], pattern), min_count=0).as_py()
    )


def _holds(texts: Any, sign: str) -> bool:
    return bool(pc.any(pc.match_substring(texts, sign)).as_py())


def _codes(texts: Any) -> bool:
    """Whether some are codes; only those that begin as one are matched, which takes longer."""
    bare = pc.ascii_ltrim_whitespace(texts)
    begun = pc.and_(pc.greater_equal(bare, "00"), pc.less(bare, "0:"))  # ":" comes after "9"
    return bool(pc.any(_matches(bare.filter(begun), CODE)).as_py())
