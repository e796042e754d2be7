"""Label cells -> boxes: the form in which pictures are labelled. Light: standard library only.

A cell is a list (or JSON of one), empty where nothing is to be found. A box in it is

- ``[x1, y1, x2, y2, class]``: corners in pixels from the upper left, a class that is a text or an
  integer; or
- a dict ``{"box": [x1, y1, x2, y2], "class": ...}`` that may say more: ``id``, the number by which
  COCO files know the class; ``crowd`` and ``difficult``, boxes that neither loss nor scores count;
  ``mask`` (or ``segmentation``, as COCO calls it), without which no instances are learned, and from
  which the box is taken where there is none; ``keypoints``, kept for whoever reads them.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Class = str | int

KNOWN = ("box", "class", "id", "crowd", "difficult", "mask", "keypoints")

_COCO_MASK = "segmentation"


class BoxError(ValueError):
    """A cell holds no boxes; the message is one clause."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box of a picture.

    Attributes:
        corners: x1 < x2 and y1 < y2, in pixels.
        name: its class.
        id: the class's number in COCO files; None: not known.
        ignore: of a crowd, or difficult: nothing is learned of it, and no score counts it.
        more: what else the label says: ``crowd``, ``difficult``, ``mask``, ``keypoints``.
    """

    corners: tuple[float, float, float, float]
    name: Class
    id: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ignore(self) -> bool:
        """Whether it is a crowd or difficult."""
        return bool(self.more.get("crowd") or self.more.get("difficult"))


def listed(cell: Any) -> list[Any]:
    """The boxes of a cell as they were written.

    Raises:
        BoxError: it is no list, nor JSON of one.
    """
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError:
            raise BoxError("is no JSON") from None
    cell = cell.tolist() if hasattr(cell, "tolist") else cell
    if not isinstance(cell, list | tuple):
        raise BoxError(f"is a {type(cell).__name__}, no list of boxes")
    return list(cell)


def read_boxes(cell: Any, repaired: Counter[str] | None = None) -> list[Box]:
    """The boxes of a cell.

    Corners that are swapped are put in order, and boxes without area are left out: nothing could
    be learned from them. ``repaired`` counts both.

    Raises:
        BoxError: it holds something else, or a box without a class or with a corner that is no
            finite number.
    """
    counts: Counter[str] = Counter() if repaired is None else repaired
    found = (_box(one, counts) for one in listed(cell))
    return [box for box in found if box is not None]


def looks_like_boxes(cell: Any) -> bool:
    """Whether it has the form of boxes, whatever their numbers are."""
    try:
        return all(_has_form(one) for one in listed(cell))
    except BoxError:
        return False


def as_cell(boxes: Iterable[Box]) -> list[Any]:
    """Boxes as a label cell: a plain list where no more is known of any."""
    return [
        {"box": list(box.corners), "class": box.name}
        | ({} if box.id is None else {"id": box.id})
        | {name: _plain(name, value) for name, value in box.more.items()}
        if box.id is not None or box.more
        else [*box.corners, box.name]
        for box in boxes
    ]


def _has_form(value: Any) -> bool:
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, Mapping):
        return "class" in value and any(name in value for name in ("box", "mask", _COCO_MASK))
    if not isinstance(value, list | tuple) or len(value) != 5:
        return False
    return _is_class(value[4]) and all(isinstance(one, int | float) for one in value[:4])


def _is_class(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def _box(value: Any, repaired: Counter[str]) -> Box | None:
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, Mapping):
        corners, name, number, more = _of_dict(value)
    elif isinstance(value, list | tuple):
        if len(value) == 4:
            raise BoxError(f"has a box without a class: {list(value)}")
        if len(value) != 5:
            raise BoxError(f"has {len(value)} values where a box has 5: {list(value)}"[:120])
        *corners, name = value
        number, more = None, {}
    else:
        raise BoxError(f"has a {type(value).__name__} where a box should be")
    if not _is_class(name):
        raise BoxError(f"has a box whose class is {name!r}")
    corners = corners.tolist() if hasattr(corners, "tolist") else corners  # of a Parquet file
    if not isinstance(corners, list | tuple) or len(corners) != 4:
        raise BoxError(f"has a box with the corners {corners!r}"[:120])
    if not all(_is_number(one) for one in corners):
        raise BoxError(f"has a box with a corner that is no finite number: {list(corners)}")
    x1, y1, x2, y2 = map(float, corners)
    if x1 > x2 or y1 > y2:
        repaired["swapped"] += 1
    if x1 == x2 or y1 == y2:
        repaired["empty"] += 1
        return None
    box = Box((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), name, number, more)
    repaired["ignored"] += box.ignore
    return box


def _of_dict(value: Mapping[str, Any]) -> tuple[Any, Any, int | None, dict[str, Any]]:
    if _COCO_MASK in value:
        if value.get("mask") is not None:
            raise BoxError("has a box with both a mask and a segmentation, which are one thing")
        value = {**value, "mask": value[_COCO_MASK]}
        del value[_COCO_MASK]
    unknown = [str(key) for key in value if key not in KNOWN]
    if unknown:
        raise BoxError(f"has a box with the unknown key {unknown[0]!r}; known: {', '.join(KNOWN)}")
    if value.get("class") is None:
        raise BoxError(f"has a box without a class: {dict(value)}"[:120])
    number = value.get("id")
    if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
        raise BoxError(f"has a box whose class has the id {number!r}, no integer")
    more = {key: value[key] for key in KNOWN[3:] if not _nothing(value.get(key))}
    box = value.get("box")
    if box is None and "mask" in more:
        from mm_detection.outlines import read_outline  # numpy: where there are masks only

        name = value["class"]
        try:
            box = read_outline(more["mask"]).bounds
        except BoxError as error:
            raise BoxError(f"has a mask of {name!r} that {error}") from error
    return box, value["class"], number, more


def _nothing(value: Any) -> bool:
    """Whether a key says no more than if it were not there."""
    return value is None or (isinstance(value, int | list | tuple) and not value)


def _plain(name: str, value: Any) -> Any:
    """What JSON can hold."""
    if isinstance(value, bool | int | float | str | list | tuple | dict):
        return value
    if name != "mask":
        return value.tolist() if hasattr(value, "tolist") else value
    from mm_detection.outlines import plain_mask

    return plain_mask(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
