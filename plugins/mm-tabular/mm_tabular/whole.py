"""What nearly all texts of a column are: the whole column is looked at, whatever its order.

Looked at are the distinct texts with their counts. A text that is no number (or date) among many
is no reason to read them all as categories: it is told, and stands for a missing cell.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from shlex import quote
from typing import Any

import pandas as pd

from mm_core.api import ColumnSample, Detection
from mm_core.api.dates import ISO, forms_of, is_iso_like
from mm_core.api.numerals import CODE, PLAIN, UNIT, written
from mm_tabular.spelling import BLANK, MARKS

NEARLY = 0.95
"""Share of the cells, marks of missing ones aside, that must be numbers (or dates)."""

HALF = 0.5
"""Share of the cells that must be, marks and all."""

MOST_MARKS = 100
_MOST_DATES = 2000
_SHOWN = 3
_PROCESSOR = "inputs.tabular.processor"


@dataclass(frozen=True)
class Texts:
    """The distinct texts of a column, in alphabetical order.

    Attributes:
        texts: without blanks around them.
        counts: cells of each.
    """

    texts: pd.Series
    counts: pd.Series

    @classmethod
    def of(cls, sample: ColumnSample) -> Texts:
        """All that are no usual words for missing."""
        cells = pd.Series(list(sample.values)) if sample.cells is None else sample.cells
        counts = cells.astype(object).value_counts()
        texts = pd.Series([str(cell).strip() for cell in counts.index.tolist()], dtype=object)
        with contextlib.suppress(UnicodeEncodeError):  # half characters are none of "str"
            texts = texts.astype("str")
        frame = pd.DataFrame({"text": texts, "count": counts.to_numpy()})
        frame = frame[~frame["text"].str.lower().isin(BLANK)].sort_values("text")
        frame = frame.reset_index(drop=True)
        return cls(frame["text"], frame["count"])

    def rest(self, fitting: pd.Series) -> dict[str, int] | None:
        """Texts that are missing cells, where ``fitting`` ones are nearly all; None: they are not.

        Args:
            fitting: bool, of each distinct text.
        """
        marks = self.texts.str.lower().isin(MARKS) & ~fitting
        total, fit = int(self.counts.sum()), int(self.counts[fitting].sum())
        others = total - int(self.counts[marks].sum())
        if not fit or fit < NEARLY * others or fit < HALF * total:
            return None
        rest = self.counts[~fitting].sort_values(ascending=False, kind="stable")
        found = dict(zip(self.texts[rest.index].tolist(), rest.tolist(), strict=True))
        return found if len(found) <= MOST_MARKS else None


def nearly_numbers(sample: ColumnSample) -> Detection | None:
    """A claim where nearly all texts are numbers, plain or as people write them."""
    column = Texts.of(sample)
    if not len(column.texts) or column.texts.str.fullmatch(CODE).any():
        return None
    plain = column.texts.str.fullmatch(PLAIN)
    rest = column.rest(plain)
    if rest is not None:
        return _claim(sample, "numerical", column, rest, "number", {}, "")
    ways = {sign: column.texts.str.fullmatch(written(sign)) for sign in (".", ",")}
    sign = max(ways, key=lambda one: int(column.counts[ways[one]].sum()))  # 1,234 is a thousand
    rest = column.rest(ways[sign])
    texts = column.texts[ways[sign]]
    if rest is None or len({frozenset(re.findall(UNIT, text)) for text in texts.head(1000)}) > 1:
        return None
    name, example = sample.name, next(text for text in texts if not text.isdigit())
    other = "," if sign == "." else "."
    told = (
        f"numbers are written like {example!r}, and read with {sign!r} before the fractions "
        f"({_set('decimals', name, other)} reads them with {other!r}, {_words(name)} as words)"
    )
    return _claim(sample, "numerical", column, rest, "number", {"decimals": sign}, told)


def nearly_dates(sample: ColumnSample) -> Detection | None:
    """A claim where one form reads nearly all texts as dates."""
    column = Texts.of(sample)
    step = 1 + len(column.texts) // _MOST_DATES
    looked = Texts(column.texts[::step], column.counts[::step])
    common = looked.texts[~looked.texts.str.lower().isin(MARKS)]
    if not len(common):
        return None
    forms = list(dict.fromkeys(form for text in _spread(common) for form in forms_of([text])))
    fits = {form: _dates(looked.texts, form) for form in forms}
    weights = {form: int(looked.counts[fit].sum()) for form, fit in fits.items()}
    if not weights or not max(weights.values()):
        return None
    form = max(weights, key=lambda one: weights[one])
    fitting = fits[form] if step == 1 else _dates(column.texts, form)
    rest = column.rest(fitting)
    if rest is None:
        return None
    same = [other for other in forms if weights[other] == weights[form] and other != form]
    told = ""
    if swapped := next((other for other in same if sorted(other) == sorted(form)), None):
        told = (
            f"all dates fit {form} and {swapped}, and are read as {form} "
            f"({_set('date_formats', sample.name, swapped)} reads them otherwise)"
        )
    settings = {} if form == ISO else {"date_formats": form}
    return _claim(sample, "datetime", column, rest, f"date of the form {form}", settings, told)


def _claim(
    sample: ColumnSample,
    kind: str,
    column: Texts,
    rest: dict[str, int],
    what: str,
    settings: dict[str, Any],
    told: str,
) -> Detection:
    """With what is missing named, if anything."""
    if not rest:
        reason = f"every string is a {what}"
        return Detection(kind, 0.95, reason, settings=settings, warning=told)
    total, lost = int(column.counts.sum()), sum(rest.values())
    shown = ", ".join(f"{text!r} ({count})" for text, count in list(rest.items())[:_SHOWN])
    more = f" and {len(rest) - _SHOWN} other texts" if len(rest) > _SHOWN else ""
    noun = what.partition(" ")
    reason = f"{total - lost} of {total} strings are {noun[0]}s{noun[1]}{noun[2]}"
    left = (
        f"{reason}; {shown}{more} stand for missing cells "
        f"({_words(sample.name)} reads all as words)"
    )
    settings = {**settings, "missing_marks": list(rest)}
    warning = "; ".join(filter(None, [left, told]))
    return Detection(
        kind, 0.95, f"{reason}, the rest is missing", settings=settings, warning=warning
    )


def _set(setting: str, column: str, value: str) -> str:
    """The setting of one column, as it can be typed."""
    typed = f"{_PROCESSOR}.{setting}={json.dumps({column: value}, ensure_ascii=False)}"
    return f"--set {quote(typed)}"


def _words(column: str) -> str:
    """What makes words of the column, in Python and as it is typed."""
    typed = quote(f"{column}=categorical")
    return f"column_types={{{column!r}: 'categorical'}} (--column-type {typed})"


def _spread(texts: pd.Series, most: int = 20) -> list[str]:
    return texts.iloc[:: 1 + len(texts) // most].tolist()


def _dates(texts: pd.Series, form: str) -> pd.Series:
    """bool, the texts that the form reads."""
    read = pd.to_datetime(texts, format=form, errors="coerce", utc=True).notna()
    return read & texts.map(is_iso_like) if form == ISO else read
