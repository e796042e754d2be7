"""Which data is for which reader: a look at names and at the first lines of files. Light."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

CONLL = (".conll", ".bio", ".iob", ".iob2", ".bioes", ".bilou")

TAGS = ("ner_tags", "tags")
SPANS = ("label", "labels", "entities", "spans")

_MOST = 2**20
"""Bytes of a file that are looked at, at most."""


def conll(data: Any) -> bool:
    """A file of tokens and tags, by its name."""
    path = _file(data)
    return path is not None and path.suffix.lower() in CONLL


def tokens(data: Any) -> bool:
    """A .jsonl whose first line has ``tokens`` and ``ner_tags``."""
    first = next(_lines(data), {})
    return isinstance(first.get("tokens"), list) and any(key in first for key in TAGS)


def spans(data: Any) -> bool:
    """A .jsonl with ``text`` and spans as doccano, prodigy or spaCy write them: the first list that
    is not empty says so, for an empty one may be that of any table.

    A list of ``{"entity_group", "start", "end"}`` is a table like any other, and not claimed.
    """
    for line in _lines(data):
        listed = spans_in(line)
        if not isinstance(line.get("text"), str) or listed is None:
            return False
        if listed:
            return all(isinstance(one, list) or _is_span(one) for one in listed)
    return False


def spans_in(line: Mapping[str, Any]) -> list[Any] | None:
    """The list of a line, under the first of the names that has one; None: there is none."""
    return next((line[key] for key in SPANS if isinstance(line.get(key), list)), None)


def _is_span(one: Any) -> bool:
    return isinstance(one, Mapping) and "label" in one and "entity_group" not in one


def _lines(data: Any) -> Iterator[dict[str, Any]]:
    """The first lines of a .jsonl, up to one that is no object."""
    path = _file(data)
    if path is None or path.suffix.lower() != ".jsonl":
        return
    try:
        with path.open("rb") as file:
            while line := file.readline(max(0, _MOST - file.tell())):
                found = json.loads(line)
                if not isinstance(found, dict):
                    return
                yield found
    except (OSError, ValueError):
        return


def _file(data: Any) -> Path | None:
    if not isinstance(data, str | os.PathLike):
        return None
    text = os.fspath(data)
    if not isinstance(text, str) or "\0" in text or not text or len(text) > 4096:
        return None
    path = Path(text)
    return path if path.is_file() else None
