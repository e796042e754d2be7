"""Labels of numbers that are not written plainly: how they are, and what makes numbers of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from mm_core.api.numerals import UNIT, between, grouped, written

_RARE = 20
"""So many times rarer, cells do not say how all others are to be read."""

_POINT, _COMMA = re.compile(written(".")), re.compile(written(","))
_OF_A_CSV = re.compile(grouped(","))
"""What ``CSVFile(decimal=",")`` reads."""


def plainly(column: pd.Series[Any], rows: Sequence[int]) -> str:
    """What to type where cells are numbers in another form; empty: most are none.

    A cell such as ``1,132`` is a thousand, unless others can only have a decimal comma.

    Args:
        column: the label.
        rows: those that do not read as numbers.
    """
    cells = column.tolist()
    unread = [cells[row] for row in rows]
    texts = [cell for cell in unread if isinstance(cell, str)]
    points = [text for text in texts if _POINT.fullmatch(text.strip())]
    commas = [text for text in texts if _COMMA.fullmatch(text.strip())]
    either = set(points) | set(commas)
    odd = [cell for cell in unread if not isinstance(cell, str) or cell not in either]
    if len(odd) >= len(unread) / 2:
        return ""
    only_point = [text for text in points if not _COMMA.fullmatch(text.strip())]
    only_comma = [text for text in commas if not _POINT.fullmatch(text.strip())]
    fractions = only_comma and [text for text in _others(column, rows) if _has_point(text)]
    if only_comma and (only_point or fractions or _RARE * len(only_comma) < len(points)):
        other = next(iter(only_point or fractions or points))
        return (
            f"write all numbers alike: {only_comma[0]!r} has "
            f"{'a decimal comma' if ',' in only_comma[0] else 'points between thousands'}, and "
            f"{other!r} speaks against it"
        )
    return _said(str(column.name), column, commas if only_comma else points, odd, bool(only_comma))


def _said(name: str, column: pd.Series[Any], texts: list[str], odd: list[Any], comma: bool) -> str:
    units = sorted({unit for text in texts for unit in re.findall(UNIT, text)})
    cells = list(map(str, column.tolist()))
    bare = [text for text in cells if re.search(r"\d", text) and not re.search(UNIT, text)]
    if len(units) > 1 or (units and bare):
        without = f", and {bare[0]!r} without" if bare else ""
        return f"write all numbers in one unit, and alone: there are {', '.join(units)}{without}"
    parted = between("," if comma else ".")
    off = _any_of(units, sorted({sign for text in cells for sign in text if sign in parted}))
    code = f"df[{name!r}].astype(str)"
    code += f".str.replace({off!r}, '', regex=True)" if off else ""
    code += ".str.replace(',', '.')" if comma else ""
    plain = re.sub(off, "", texts[0]) if off else texts[0]
    plain = plain.replace(",", ".") if comma else plain
    first = f"first correct or drop {', '.join(dict.fromkeys(map(repr, odd[:3])))}; " if odd else ""
    read_so = comma and not odd and all(_OF_A_CSV.fullmatch(text.strip()) for text in cells)
    option = ", or --csv decimal=, or mm_core.CSVFile(path, decimal=',')" if read_so else ""
    return (
        f"{first}write the numbers alone: df[{name!r}] = pd.to_numeric({code}){option}, or in the "
        f"file ({plain.strip()} for {texts[0]!r}); problem_type='multiclass' if they are classes"
    )


def _any_of(units: list[str], signs: list[str]) -> str:
    """Pattern of any of them; empty: there is none."""
    words = [unit for unit in units if len(unit) > 1]
    single = "".join([*(unit for unit in units if len(unit) == 1), *signs])
    return "|".join([*words, *([f"[{single}]"] if single else [])])


def _others(column: pd.Series[Any], rows: Sequence[int]) -> list[str]:
    """The cells that do read as numbers, as texts."""
    left = set(map(int, rows))
    return [str(cell) for row, cell in enumerate(column.tolist()) if row not in left]


def _has_point(text: str) -> bool:
    """Whether the number has a point that parts no thousands."""
    return "." in text and not _OF_A_CSV.fullmatch(text.strip())
