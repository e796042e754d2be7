"""Is a column free text? Light and pure.

Text is told from names and categories by its number of words and by how seldom cells repeat. A word
is what stands between spaces; of scripts written without spaces two signs count as one word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from mm_core.api import ColumnSample, Detection

_READ = 2_000  # characters of a cell that are looked at
_LEAST = 0.1  # a lower score is no claim
_FEW = 20  # so few distinct sentences are answers to choose from, not prose

# Thai, Lao, Burmese, Khmer, kana and ideographs; Hangul is written with spaces
_NO_SPACES = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\U00020000-\U0003134f]"
)
_LETTER = re.compile(r"[^\W\d_]")
_DIGIT = re.compile(r"\d")
_DATE_WORD = re.compile(
    r"\b(jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|january|february|march|april|june|"
    r"july|august|september|october|november|december|mon|tue|wed|thu|fri|sat|sun|monday|tuesday|"
    r"wednesday|thursday|friday|saturday|sunday|am|pm|utc|gmt|z|nan|inf|e|st|nd|rd|th)\b|"
    r"(?<=\d)(t|z|am|pm|st|nd|rd|th|e)(?=\d|\b)",
    re.IGNORECASE,
)
_FILE = re.compile(
    r"\.(jpe?g|png|gif|bmp|tiff?|webp|svg|mp4|avi|mov|wav|mp3|ogg|flac|pdf|csv|json|txt|npy|npz|dcm|"
    r"nii|parquet)$",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"(\w+://|www\.|data:|/|\.{1,2}/|[A-Za-z]:\\)\S*")
_BLOB = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
_STRUCTURE = re.compile(r"\{.*\}|\[.*\]", re.DOTALL)
_SENTENCE_END = re.compile(r"[.!?\u2026\u3002\uff01\uff1f][\"')\]]*$")


def detect(sample: ColumnSample) -> Detection | None:
    """Claim columns of several words that seldom repeat; leave everything else alone.

    Returns:
        A claim of kind ``"text"``: 0.95 for prose, 0.92 for sentences that repeat (questions asked
        of many pictures), 0.2 to 0.7 for names of a few words, the more the fewer repeat, 0.2 for
        distinct single words; None for numbers, dates, paths, addresses, base64, codes, JSON.
    """
    if sample.dtype not in ("string", "object", "categorical"):
        return None
    texts = [v.strip()[:_READ] for v in sample.values if isinstance(v, str) and v.strip()]
    if not texts or len(texts) < 0.5 * len(sample.values):
        return None
    if _share(texts, _is_machine_made) >= 0.5:
        return None
    words = sum(map(count_words, texts)) / len(texts)
    distinct = _distinct_share(sample)
    reason = f"{words:.1f} words on average, {distinct:.0%} of the cells are distinct"
    score = _score(texts, words, distinct, sample.n_unique)
    return Detection("text", round(score, 3), reason) if score >= _LEAST else None


def count_words(text: str) -> float:
    """Words between spaces; two signs of a script without spaces count as one word."""
    signs = len(_NO_SPACES.findall(text))
    return len(_NO_SPACES.sub(" ", text).split()) + signs / 2 if signs else len(text.split())


def _score(texts: Sequence[str], words: float, distinct: float, n_unique: int) -> float:
    seldom = min(1.0, distinct / 0.5)  # half of the cells distinct is as good as all of them
    if words >= 3:
        sentences = words >= 4 and _share(texts, _ends_like_a_sentence) >= 0.5
        floor = 0.92 if sentences and n_unique > _FEW else 0.2
        return max(floor, 0.2 + 0.75 * seldom)
    if words >= 1.5:
        return 0.2 + 0.5 * seldom
    if _share(texts, _has_digit) >= 0.5:  # identifiers
        return 0.0
    return 0.2 * seldom


def _distinct_share(sample: ColumnSample) -> float:
    filled = max(1.0, sample.n_rows * (1 - sample.null_share))
    return min(1.0, sample.n_unique / filled)


def _is_machine_made(text: str) -> bool:
    """Number, date, path, address, base64, hash or JSON."""
    if _FILE.search(text) or _ADDRESS.fullmatch(text):
        return True
    if _BLOB.fullmatch(text) or _STRUCTURE.fullmatch(text):
        return True
    return not _LETTER.search(_DATE_WORD.sub("", text) if _has_digit(text) else text)


def _has_digit(text: str) -> bool:
    return _DIGIT.search(text) is not None


def _ends_like_a_sentence(text: str) -> bool:
    return _SENTENCE_END.search(text) is not None


def _share(texts: Sequence[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, texts)) / len(texts)
