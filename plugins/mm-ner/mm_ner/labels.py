"""Cells of a label to entities and back. Light: the detector reads cells too."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from numbers import Real
from typing import Any

_MOST = 2**31
"""Characters that a text has at most."""

KEYS = ("entity_group", "start", "end")

Entity = tuple[int, int, str]
"""Its first character, the one after its last, and its group."""

Scored = tuple[int, int, str, float]
"""The same, and how sure the model is."""


class EntityError(ValueError):
    """What is wrong with a cell."""


def read_entities(cell: Any) -> list[Entity]:
    """Entities in the order of the text.

    A cell is a list of ``{"entity_group": "Dish", "start": 0, "end": 4}``, or JSON of one. Other
    keys of an entity are not read. Whole numbers may be floats, as tables with gaps have them.

    Raises:
        EntityError: it is none, an entity lacks something, or two share a character.
    """
    found = sorted(_entity(one) for one in _listed(cell))
    for before, after in pairwise(found):
        if after[0] < before[1]:
            raise EntityError(f"entities overlap: {_said(before)} and {_said(after)}")
    return found


def write_entities(entities: Iterable[Entity | Scored], as_text: bool) -> Any:
    """A cell that :func:`read_entities` reads: JSON, or a list of dicts."""
    cell = [
        {"entity_group": group, "start": start, "end": end}
        | ({"score": round(score[0], 4)} if score else {})
        for start, end, group, *score in entities
    ]
    return json.dumps(cell, ensure_ascii=False) if as_text else cell


def _listed(cell: Any) -> Sequence[Any]:
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError as error:
            raise EntityError("is no JSON") from error
    cell = cell.tolist() if hasattr(cell, "tolist") else cell  # parquet gives arrays
    if not isinstance(cell, list | tuple):
        raise EntityError(f"is a {type(cell).__name__} and no list of entities")
    return cell


def _entity(one: Any) -> Entity:
    if not isinstance(one, Mapping):
        raise EntityError(f"{reprlib.repr(one)} is no entity")
    for key in KEYS:
        if key not in one:
            had = ", ".join(map(str, one)) or "nothing"
            raise EntityError(f"an entity lacks {key!r}, it has {had}")
    group, start, end = one["entity_group"], _place(one, "start"), _place(one, "end")
    if not isinstance(group, str) or not group.strip():
        raise EntityError(f"entity_group is {group!r}, and no name")
    if start < 0:
        raise EntityError(f"{_said((start, end, group))} begins before its text")
    if start >= end:
        raise EntityError(f"{_said((start, end, group))} has no character: end is the one after it")
    return start, end, group


def _place(one: Mapping[str, Any], key: str) -> int:
    value = one[key]
    if isinstance(value, bool) or not isinstance(value, Real) or value != value // 1:
        raise EntityError(f"{key} is {value!r}, and no whole number")
    place = float(value)
    if abs(place) > _MOST:
        raise EntityError(f"{key} is {place:.3g}, further than any text goes")
    return int(place)


def _said(entity: Entity) -> str:
    return f"{entity[2]} [{entity[0]}, {entity[1]}]"
