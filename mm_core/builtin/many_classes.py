"""Labels of texts that nearly all differ: what they may be in place of classes, and what to type.

Light, as the detectors are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mm_core.api.columns import ColumnSample
from mm_core.api.dates import forms_of
from mm_core.api.numerals import PLAIN

FEWEST_ROWS = 20
"""Rows from which classes are counted."""

_PER_CLASS = 2
_PER_NUMBER, _FEWEST_NUMBERS = 5, 20
_SHOWN = 3
_WITH_UNIT = re.compile(rf"{PLAIN}(\s*[^\W\d_](?:[^\d.,]*))")
_FILE = re.compile(r"[^@]*[^.\s@]\.(?!(?:com|org|net|edu|gov|io|de)$)[A-Za-z][A-Za-z0-9]{1,4}")


def hardly_classes(column: ColumnSample) -> str:
    """What is told of a label with more classes than half of its rows; empty: it has fewer.

    Of dates and amounts a fifth is enough, as of whole numbers. Texts that are plain numbers are
    left to the task, which looks at all of them.
    """
    texts = [value for value in column.values if isinstance(value, str)]
    known = round(column.n_rows * (1 - column.null_share))
    if known < FEWEST_ROWS or column.n_unique * _PER_NUMBER <= known:
        return ""
    if len(texts) < len(column.values) or all(re.fullmatch(PLAIN, text.strip()) for text in texts):
        return ""
    number = _dates(column.name, texts) or _amounts(column.name, texts)
    are_numbers = bool(number) and column.n_unique > _FEWEST_NUMBERS
    if not are_numbers and column.n_unique * _PER_CLASS <= known:
        return ""
    shown = ", ".join(map(repr, list(dict.fromkeys(texts))[:_SHOWN]))
    guess = number or _files(texts)
    return (
        f"{column.n_unique} classes in {known} rows, such as {shown}. "
        f"{guess or 'They may be no classes: is another column the label?'} Where they are "
        "classes, problem_type='multiclass' (--problem-type multiclass) says so"
    )


def _dates(name: str, texts: Sequence[str]) -> str:
    forms = forms_of(texts)
    if not forms:
        return ""
    other = f" (or format={forms[1]!r})" if len(forms) > 1 else ""
    return (
        f"They look like dates; as days they are numbers: df[{name!r}] = "
        f"(pd.to_datetime(df[{name!r}].str.strip(), format={forms[0]!r}, utc=True) - "
        f"pd.Timestamp(0, tz='UTC')).dt.days{other}."
    )


def _amounts(name: str, texts: Sequence[str]) -> str:
    found = [_WITH_UNIT.fullmatch(text) for text in texts]
    units = {match[1] for match in found if match}
    if not all(found) or len({unit.strip() for unit in units}) > 1:
        return ""
    unit = min(units, key=len).strip()
    return (
        f"They look like numbers with a unit; without it they are numbers: df[{name!r}] = "
        f"pd.to_numeric(df[{name!r}].str.strip().str.removesuffix({unit!r})), or in the file."
    )


def _files(texts: Sequence[str]) -> str:
    if not all(map(_FILE.fullmatch, texts)):
        return ""
    return (
        "They look like names of files, which are not there (paths start at the folder of the "
        "data); what stands in files is for the task of a plugin: problem_type=..."
        " (mm plugins list)."
    )
