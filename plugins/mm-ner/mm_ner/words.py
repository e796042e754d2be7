"""Pieces of a word become the word: the first stands for all. numpy only."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from mm_text.api import Ragged

Array = npt.NDArray[Any]

UNSPACED = {
    *("CJK", "BOPOMOFO", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HALFWIDTH", "YI"),
    *("THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN", "TAI", "NEW", "JAVANESE", "BALINESE"),
    "HANGUL",
}
"""Scripts that put nothing between words, or write a name and what follows it as one (Hangul), as
the names of their characters begin (NEW TAI LUE): in these each token stands for itself."""


def whole_words(places: Ragged, texts: Sequence[str]) -> Ragged:
    """Characters of each word at its first token, and (0, 0) at the tokens that go on with it.

    A token goes on with the one before where they touch between two letters, digits or marks, and
    where they share a character. Entities are made of words: with a tag for each piece, half a word
    is found now and then.

    Args:
        places: int [T, 2] a row, characters of each token; (0, 0) of special ones.
        texts: of the rows, in which these characters are counted.
    """
    starts, ends = places.flat[:, 0].astype(np.int64), places.flat[:, 1].astype(np.int64)
    letters, sizes = _letters(texts)
    rows = np.repeat(np.arange(len(places)), places.lengths)
    before = np.where(np.diff(rows, prepend=-1) == 0, np.roll(ends, 1), -1)
    real = ends > starts
    inside = real & (starts == before) & (starts > 0) & (starts < sizes[rows])
    at = ((np.cumsum(sizes) - sizes)[rows] + starts)[inside]
    inside[inside] = letters[at] & letters[at - 1]
    begins = np.flatnonzero(~inside & ~(real & (starts < before)))
    whole = np.zeros_like(places.flat)
    whole[begins, 0] = starts[begins]
    whole[begins, 1] = np.maximum.reduceat(ends, begins) if len(begins) else 0
    return type(places)(whole, places.offsets)


def goes_on(text: str, place: int) -> bool:
    """Whether a word of the text has characters on both sides of a place, its ends included."""
    return 0 < place < len(text) and all(map(is_of_words, text[place - 1 : place + 1]))


def whole_characters(places: Ragged) -> Ragged:
    """Likewise of characters that were cut into bytes; a piece of a word stands for itself."""
    return whole_words(places, [""] * len(places))


def _letters(texts: Sequence[str]) -> tuple[Array, Array]:
    """bool, of each character of all texts whether words are made of it; and int [N], lengths."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    known, which = np.unique(codes, return_inverse=True)
    of_words = np.fromiter((is_of_words(chr(code)) for code in known), bool, len(known))
    return of_words[which], np.fromiter(map(len, texts), np.int64, len(texts))


def is_of_words(character: str) -> bool:
    """A letter, a digit, or a mark on one, of a script that parts words."""
    script = unicodedata.name(character, "").split(" ")[0]
    return unicodedata.category(character)[0] in "LNM" and script not in UNSPACED
