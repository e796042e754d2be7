"""CoNLL files and lines of JSON -> rows: columns ``text`` and ``entities``, JSON of a list."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mm_core.api import DataError, Table
from mm_ner.chunks import entities_of, parts_of
from mm_ner.claims import SPANS, TAGS, spans_in
from mm_ner.labels import Entity, EntityError, read_entities, write_entities

Row = tuple[str, list[Entity]]

_ONE_OBJECT = "a line is one JSON object"
_TAGS_ARE = "tags are O, or B- I- L- U- E- S- with a group: B-PER"

REFUSED = ("reject", "ignore")
"""What an annotator says of a line that is not to be learned."""


def read_conll(data: Any) -> Table:
    """A row a sentence: the first column is the token, the last one the tag."""
    return _table(Path(data), _sentences(Path(data)))


def read_tokens(data: Any) -> Table:
    """A row a line of ``{"tokens": [...], "ner_tags": ["B-PER", ...]}``."""
    path = Path(data)
    return _table(path, (_of_tokens(path, *line) for line in _lines(path)))


def read_spans(data: Any) -> Table:
    """A row a line of ``{"text": ..., "label": [[start, end, group], ...]}``, or such dicts."""
    path = Path(data)
    return _table(path, (_of_spans(path, *line) for line in _lines(path)))


def _table(path: Path, rows: Iterator[Row]) -> Table:
    import pandas as pd

    listed = [(text, write_entities(entities, as_text=True)) for text, entities in rows]
    if not listed:
        raise DataError(f"{str(path)!r} has no row", value=str(path), remedy="check the file")
    return Table(pd.DataFrame(listed, columns=["text", "entities"]), path.parent)


# ---- CoNLL


def _sentences(path: Path) -> Iterator[Row]:
    words: list[str] = []
    tags: list[tuple[str, str]] = []
    for number, line in enumerate([*_text(path).split("\n"), ""], start=1):
        cells = [one.strip() for one in line.split("\t")] if "\t" in line else line.split()
        if cells and cells[0] == "-DOCSTART-":
            continue
        if not any(cells):
            if words:
                yield entities_of(words, tags)
            words, tags = [], []
            continue
        tag = parts_of(cells[-1]) if len(cells) > 1 else None
        if tag is None and line.startswith("#"):  # a comment; a word may be # too
            continue
        if tag is None or not cells[0]:
            what = "has one column" if len(cells) < 2 else f"ends with {cells[-1]!r}"
            raise _wrong(path, number, what, f"a line is a token and its tag; {_TAGS_ARE}")
        words.append(cells[0])
        tags.append(tag)


# ---- lines of JSON


def _of_tokens(path: Path, number: int, line: Mapping[str, Any]) -> Row:
    words: Any = line.get("tokens")
    named = next((line[key] for key in TAGS if key in line), None)
    if not _are(words, str) or not isinstance(named, list):
        raise _wrong(path, number, "lacks tokens or ner_tags", "both are lists of texts")
    if len(words) != len(named):
        what = f"has {len(words)} tokens and {len(named)} tags"
        raise _wrong(path, number, what, "give each token a tag")
    if not _are(named, str):
        raise _wrong(
            path,
            number,
            "has tags that are no texts",
            "what a number means does not stand in the file: write names, such as B-PER",
        )
    tags = [parts_of(one) for one in named]
    if None in tags:
        raise _wrong(path, number, f"has a tag {named[tags.index(None)]!r}", _TAGS_ARE)
    # An empty token would have no character.
    kept = [(word, tag) for word, tag in zip(words, tags, strict=True) if word.strip() and tag]
    return entities_of([word.strip() for word, _ in kept], [tag for _, tag in kept])


def _of_spans(path: Path, number: int, line: Mapping[str, Any]) -> Row:
    text, answer = line.get("text"), line.get("answer")
    if answer in REFUSED:  # prodigy's: such spans are no labels
        remedy = "leave out the lines whose answer is not 'accept'"
        raise _wrong(path, number, f"was not accepted: its answer is {answer!r}", remedy)
    listed = spans_in(line)
    if listed is None and all(line.get(key) is None for key in SPANS):
        listed = []
    if not isinstance(text, str) or listed is None:
        raise _wrong(
            path, number, "lacks text or a list of spans", f"spans are {' or '.join(SPANS)}"
        )
    try:
        return text, read_entities([_span(one) for one in listed])
    except EntityError as error:
        raise _wrong(path, number, str(error), "a span is [start, end, group]") from error


def _span(one: Any) -> dict[str, Any]:
    """Of doccano, spaCy or prodigy, in our words."""
    if isinstance(one, Sequence) and not isinstance(one, str) and len(one) == 3:
        return {"start": one[0], "end": one[1], "entity_group": one[2]}
    if not isinstance(one, Mapping):
        raise EntityError(f"{one!r} is no span")
    names = {"start_offset": "start", "end_offset": "end", "label": "entity_group"}
    return {names.get(key, str(key)): value for key, value in one.items()}


def _lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise _wrong(path, number, f"is no JSON: {error}", _ONE_OBJECT) from error
        if not isinstance(found, Mapping):
            raise _wrong(path, number, "is no JSON object", _ONE_OBJECT)
        yield number, found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{str(path)!r} cannot be read: {error}", value=str(path), remedy="save it as UTF-8"
        ) from error


def _are(values: Any, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(one, kind) for one in values)


def _wrong(path: Path, number: int, what: str, remedy: str) -> DataError:
    return DataError(f"line {number} of {str(path)!r} {what}", value=str(path), remedy=remedy)
