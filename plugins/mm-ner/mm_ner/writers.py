"""Rows -> CoNLL files, lines of JSON, CSV."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from mm_core.api import ConfigError, DataError, Table
from mm_ner.checking import cells_of, text_column
from mm_ner.chunks import tagged
from mm_ner.claims import CONLL
from mm_ner.labels import Entity, EntityError, read_entities, write_entities

Rows = Sequence[tuple[str, list[Entity]]]

FORMS = ("conll", "tokens", "doccano", "jsonl", "csv")


def form_of(target: Path, named: str | None) -> str:
    """The form that is named, or that the target's name says.

    Raises:
        ConfigError: there is none such.
    """
    suffix = target.suffix.lower()
    form = named or ("conll" if suffix in CONLL else suffix.removeprefix("."))
    if form not in FORMS:
        raise ConfigError(
            f"{target.name!r} does not say which form to write",
            value=form,
            remedy=f"--to with one of: {', '.join(FORMS)}",
        )
    return form


def rows_of(table: Table, text: str | None, label: str) -> Rows:
    """Texts with their entities; a text that is missing is empty.

    Raises:
        ColumnError: a column is not there.
        DataError: a cell lists no entities, or one beyond its text.
    """
    cells = cells_of(table, label)
    texts = table.frame[text_column(table, label, text)]
    rows = []
    for row, (said, cell) in enumerate(zip(texts, cells, strict=True)):
        known = said if isinstance(said, str) else ""
        try:
            entities = read_entities(cell)
            if entities and entities[-1][1] > len(known):
                raise EntityError(f"an entity ends at {entities[-1][1]}, its text at {len(known)}")
        except EntityError as error:
            raise DataError(
                f"row {row} of {label!r}: {error}",
                column=label,
                rows=[row],
                value=cell,
                remedy="`mm ner check DATA` lists all such rows",
            ) from error
        rows.append((known, entities))
    return rows


def write(rows: Rows, target: Path, form: str) -> None:
    """One file."""
    target.write_text(_WRITERS[form](rows), encoding="utf-8")


def _conll(rows: Rows) -> str:
    sentences = ("".join(f"{word}\t{tag}\n" for word, tag in tagged(*row)) for row in rows)
    return "\n".join(sentences)


def _tokens(rows: Rows) -> str:
    cut = [tagged(*row) for row in rows]
    return _lines(
        [{"tokens": [word for word, _ in row], "ner_tags": [tag for _, tag in row]} for row in cut]
    )


def _doccano(rows: Rows) -> str:
    return _lines([{"text": text, "label": [list(one) for one in found]} for text, found in rows])


def _jsonl(rows: Rows) -> str:
    return _lines(
        [{"text": text, "entities": write_entities(found, as_text=False)} for text, found in rows]
    )


def _csv(rows: Rows) -> str:
    import pandas as pd

    listed = [(text, write_entities(found, as_text=True)) for text, found in rows]
    written: str = pd.DataFrame(listed, columns=["text", "entities"]).to_csv(index=False)
    return written


def _lines(rows: Sequence[dict[str, object]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


_WRITERS: dict[str, Callable[[Rows], str]] = {
    "conll": _conll,
    "tokens": _tokens,
    "doccano": _doccano,
    "jsonl": _jsonl,
    "csv": _csv,
}
