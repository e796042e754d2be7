"""Tags of words to entities and back: BIO, IOB1, BILOU, IOBES."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from mm_ner.labels import Entity

BEGIN, GO_ON, ALONE = frozenset("BUS"), frozenset("IMLE"), frozenset("USLE")
"""Prefixes that begin an entity; that go on with one, or begin where there is none of their group
(IOB1); after which it has ended."""

_WORD = re.compile(r"\w+|[^\w\s]")


def parts_of(tag: str) -> tuple[str, str] | None:
    """Prefix and group of a tag, ``("O", "")`` of one outside; None: it is no tag."""
    if tag == "O":
        return "O", ""
    prefix, dash, group = tag.partition("-")
    return (prefix, group) if dash and group and prefix in BEGIN | GO_ON else None


def entities_of(words: Sequence[str], tags: Sequence[tuple[str, str]]) -> tuple[str, list[Entity]]:
    """The words with a space between two, and the entities in them."""
    found: list[Entity] = []
    place, before = 0, ("O", "")
    for word, (prefix, group) in zip(words, tags, strict=True):
        end = place + len(word)
        goes_on = prefix in GO_ON and before[1] == group and before[0] not in ALONE
        if goes_on:
            found[-1] = (found[-1][0], end, group)
        elif prefix != "O":
            found.append((place, end, group))
        place, before = end + 1, (prefix, group)
    return " ".join(words), found


def tagged(text: str, entities: Sequence[Entity]) -> list[tuple[str, str]]:
    """Words of a text with tags in BIO; words are cut where an entity begins or ends."""
    cuts = {place for start, end, _ in entities for place in (start, end)}
    found: list[tuple[str, str]] = []
    for match in _WORD.finditer(text):
        inside = sorted(cut for cut in cuts if match.start() < cut < match.end())
        places = [match.start(), *inside, match.end()]
        for start, end in pairwise(places):
            found.append((text[start:end], _tag(start, end, entities, text)))
    return found


def _tag(start: int, end: int, entities: Sequence[Entity], text: str) -> str:
    for first, last, group in entities:
        if first <= start and end <= last:
            return f"I-{group}" if text[first:start].strip() else f"B-{group}"
    return "O"
