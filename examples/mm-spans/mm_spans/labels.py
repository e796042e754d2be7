"""Cells of a label to entities and back. Light: the detector reads cells too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

Entity = tuple[int, int, str]
"""Its first character, the one after its last, and its group."""


def read_entities(cell: Any) -> list[Entity] | None:
    """Entities in the order of the text; None: the cell is no list of entities.

    A cell is a list of ``{"entity_group": "Dish", "start": 0, "end": 4}``, or JSON of one. Other
    keys of an entity are not read.
    """
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError:
            return None
    cell = cell.tolist() if hasattr(cell, "tolist") else cell  # parquet gives arrays
    if not isinstance(cell, list | tuple):
        return None
    found = [_entity(one) for one in cell]
    return sorted(one for one in found if one is not None) if None not in found else None


def write_entities(entities: Iterable[Entity], as_text: bool) -> Any:
    """A cell that :func:`read_entities` reads: JSON, or a list of dicts."""
    cell = [{"entity_group": group, "start": a, "end": b} for a, b, group in entities]
    return json.dumps(cell, ensure_ascii=False) if as_text else cell


def _entity(one: Any) -> Entity | None:
    if not isinstance(one, Mapping):
        return None
    start, end, group = (one.get(key) for key in ("start", "end", "entity_group"))
    if not (isinstance(start, Integral) and isinstance(end, Integral) and isinstance(group, str)):
        return None
    begin, stop = int(start), int(end)
    return (begin, stop, group) if 0 <= begin < stop else None
