"""Which data is for which reader: a look at names and at the first line of files. Light."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONLL = (".conll", ".bio", ".iob", ".iob2", ".bioes", ".bilou")

TAGS = ("ner_tags", "tags")
SPANS = ("label", "labels", "entities", "spans")

_MOST = 2**20
"""Bytes of a first line that are looked at."""


def conll(data: Any) -> bool:
    """A file of tokens and tags, by its name."""
    path = _file(data)
    return path is not None and path.suffix.lower() in CONLL


def tokens(data: Any) -> bool:
    """A .jsonl whose first line has ``tokens`` and ``ner_tags``."""
    first = _first_line(data)
    return isinstance(first.get("tokens"), list) and any(key in first for key in TAGS)


def spans(data: Any) -> bool:
    """A .jsonl whose first line has ``text`` and spans as doccano, prodigy or spaCy write them.

    A list of ``{"entity_group", "start", "end"}`` is a table like any other, and not claimed.
    """
    first = _first_line(data)
    listed = next((first[key] for key in SPANS if isinstance(first.get(key), list)), None)
    if not isinstance(first.get("text"), str) or listed is None:
        return False
    return all(isinstance(one, list) or _is_span(one) for one in listed)


def _is_span(one: Any) -> bool:
    return isinstance(one, Mapping) and "label" in one and "entity_group" not in one


def _first_line(data: Any) -> dict[str, Any]:
    path = _file(data)
    if path is None or path.suffix.lower() != ".jsonl":
        return {}
    try:
        with path.open("rb") as file:
            found = json.loads(file.readline(_MOST))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _file(data: Any) -> Path | None:
    if not isinstance(data, str | os.PathLike):
        return None
    text = os.fspath(data)
    if not isinstance(text, str) or "\0" in text or not text or len(text) > 4096:
        return None
    path = Path(text)
    return path if path.is_file() else None
