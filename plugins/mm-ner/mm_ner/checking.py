"""What is wrong with entities beside their texts, which a fit would stop at or never find equal."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd

from mm_core.api import ColumnError, Table
from mm_ner.labels import Entity, EntityError, read_entities
from mm_ner.words import goes_on


def text_column(table: Table, label: str, named: str | None = None) -> str:
    """The column of the texts.

    Raises:
        ColumnError: there is none of that name, or several that it could be.
    """
    texts = [
        str(name)
        for name in table.frame
        if name != label and any(isinstance(one, str) for one in table.frame[name])
    ]
    if named is None and "text" in texts:
        named = "text"
    if named is None and len(texts) == 1:
        (named,) = texts
    if named is None or named not in table.frame:
        raise ColumnError(
            f"which column holds the texts? {named or 'none is named'}",
            column=named,
            remedy=f"name it with --text; columns with texts are: {', '.join(texts) or 'none'}",
        )
    return named


def cells_of(table: Table, label: str) -> pd.Series[Any]:
    """The column of entities.

    Raises:
        ColumnError: there is none of that name.
    """
    if label not in table.frame:
        raise ColumnError(
            f"there is no column {label!r}",
            column=label,
            remedy=f"name it with --label; there are: {', '.join(map(str, table.frame))}",
        )
    return table.frame[label]


def checked(table: Table, text: str | None, label: str) -> dict[str, Any]:
    """Counts, and what is wrong: ``rows``, ``empty``, ``groups``, ``wrong`` (row, what, which).

    Raises:
        ColumnError: a column is not there.
    """
    cells = cells_of(table, label)
    texts = table.frame[text_column(table, label, text)]
    groups: Counter[str] = Counter()
    wrong: list[dict[str, Any]] = []
    empty = 0
    for row, (said, cell) in enumerate(zip(texts, cells, strict=True)):
        try:
            if isinstance(cell, float) or cell is None or cell is pd.NA:
                raise EntityError("is missing; a text without entities has []")
            entities = read_entities(cell)
        except EntityError as error:
            wrong.append({"row": row, "what": "no list of entities", "which": str(error)})
            continue
        empty += not entities
        groups.update(group for _, _, group in entities)
        known = said if isinstance(said, str) else ""
        for entity in entities:
            if what := _odd(known, entity):
                wrong.append({"row": row, "what": what, "which": _shown(known, entity)})
    listed = dict(sorted(groups.items(), key=lambda pair: (-pair[1], pair[0])))
    return {"rows": len(texts), "empty": empty, "groups": listed, "wrong": wrong}


def _odd(text: str, entity: Entity) -> str | None:
    start, end, _ = entity
    if end > len(text):
        return "beyond its text"
    if text[start].isspace() or text[end - 1].isspace():
        return "white space at an end"
    if goes_on(text, start) or goes_on(text, end):
        return "begins or ends inside of a word"
    return None


def _shown(text: str, entity: Entity) -> str:
    start, end, group = entity
    return f"{group} [{start}, {end}] {text[start:end]!r}"
