"""Labelled pictures in memory, between the forms in which they lie on disk."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_image.api import ImageCell, UnreadableImageError, preview, size_and_turn

from mm_core.api import DataError, MMWarning
from mm_detection.boxes import Box, BoxError, as_cell
from mm_detection.frames import corners_as_shown
from mm_detection.outlines import read_outline

if TYPE_CHECKING:
    from mm_core.api import Table

IMAGE, LABEL = "image", "rois"
"""Columns of what readers give."""

_NAMED = 5
"""Things that are named where more are counted."""

_TOLD = {
    "cut": "box(es) reach beyond their picture: they were cut at its border",
    "outside": "box(es) lie outside their picture: they were left out",
    "turned": "picture(s) are turned by EXIF and were labelled as stored: boxes and masks were "
    "turned too",
    "shape": "shape(s) are neither boxes nor areas: they were left out",
}


@dataclass
class Picture:
    """One picture and its boxes.

    Attributes:
        path: as it is written, relative to the folder of the data.
        boxes: in pixels; corners may be of any order.
        size: width and height that the labels were made for, or None.
        id: by which a COCO file knows it.
    """

    path: str
    boxes: list[Box] = field(default_factory=list)
    size: tuple[int, int] | None = None
    id: int | str | None = None


@dataclass
class Dataset:
    """Pictures, and where their paths start.

    Attributes:
        pictures: in the order of the data.
        folder: of relative paths.
        labelled: whether there are labels at all.
        repaired: what was changed, by the keys of what is told.
        hollow: things that have no pixel and were left out, by name.
    """

    pictures: list[Picture]
    folder: Path
    labelled: bool = True
    repaired: Counter[str] = field(default_factory=Counter)
    hollow: list[str] = field(default_factory=list)

    def table(self, what: str) -> Table:
        """As the core reads it; what was repaired is told, with ``what`` before it."""
        import pandas as pd

        from mm_core.api import Table

        told = [f"{count} {_TOLD[name]}" for name, count in self.repaired.items() if count]
        if self.hollow:
            few = ", ".join(self.hollow[:_NAMED])
            more = f" and {len(self.hollow) - _NAMED} more" if len(self.hollow) > _NAMED else ""
            told.append(
                f"{len(self.hollow)} thing(s) have no pixel: they were left out: {few}{more}"
            )
        if told:
            warnings.warn(f"{what}: {'; '.join(told)}", MMWarning, stacklevel=4)
        columns: dict[str, Any] = {IMAGE: [one.path for one in self.pictures]}
        if self.labelled:
            cells = [as_cell(one.boxes) for one in self.pictures]
            columns[LABEL] = pd.Series(cells, dtype=object)
        frame = pd.DataFrame(columns)
        ids = [one.id for one in self.pictures]
        if all(one is not None for one in ids):
            frame.index = pd.Index(ids, name="image_id")
        return Table(frame, self.folder)


def settled(dataset: Dataset) -> Dataset:
    """With boxes turned as EXIF turns their pictures, and cut at the borders of these.

    Label tools show pictures upright; those that do not wrote down a size of swapped sides.
    """
    repaired = Counter(dataset.repaired)
    pictures = [_settled(one, dataset.folder, repaired) for one in dataset.pictures]
    return replace(dataset, pictures=pictures, repaired=repaired)


def _settled(picture: Picture, folder: Path, repaired: Counter[str]) -> Picture:
    size = picture.size
    if size is None or not picture.boxes:
        return picture
    boxes = picture.boxes
    shown, turn = _size_and_turn(folder / picture.path)
    if turn >= 5 and shown == size[::-1] and size[0] != size[1]:
        size = (size[1], size[0])
        boxes = [_shown(box, size, turn) for box in boxes]
        repaired["turned"] += 1
    kept = [cut for box in boxes if (cut := _cut(box, size, repaired)) is not None]
    return replace(picture, boxes=kept, size=size)


def _shown(box: Box, size: tuple[int, int], turn: int) -> Box:
    """With its mask; one that cannot be read stays, and is told by row where labels are read."""
    more = dict(box.more)
    with suppress(KeyError, BoxError):
        more["mask"] = read_outline(more["mask"]).shown(size, turn).plain()
    return replace(box, corners=corners_as_shown(box.corners, size, turn), more=more)


def _cut(box: Box, size: tuple[int, int], repaired: Counter[str]) -> Box | None:
    """The part of a box that lies in its picture; None: none does."""
    if not all(math.isfinite(one) for one in box.corners):
        return box  # told by row where labels are read
    x1, y1, x2, y2 = box.corners
    (left, right), (top, bottom) = sorted((x1, x2)), sorted((y1, y2))
    if left == right or top == bottom:
        return box  # likewise
    if left >= size[0] or top >= size[1] or right <= 0 or bottom <= 0:
        repaired["outside"] += 1
        return None
    inside = (max(left, 0.0), max(top, 0.0), min(right, size[0]), min(bottom, size[1]))
    if max(abs(one - other) for one, other in zip(inside, (left, top, right, bottom))) > 1:  # noqa: B905
        repaired["cut"] += 1
        return replace(box, corners=inside)
    return box


def _size_and_turn(path: Path) -> tuple[tuple[int, int] | None, int]:
    """As mm-image reads it; (None, 1) where there is no picture."""
    try:
        return size_and_turn(ImageCell("path", str(path), IMAGE, preview(path)))
    except UnreadableImageError:
        return None, 1


def upright_size(path: Path) -> tuple[int, int] | None:
    """Width and height as it is shown."""
    return _size_and_turn(path)[0]


def need_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture whose labels are shares of them.

    Raises:
        DataError: there is no such picture.
    """
    size = upright_size(path)
    if size is None:
        raise DataError(
            f"{str(path)!r} cannot be opened, and its labels are shares of its sides",
            value=str(path),
            remedy="check that the pictures lie beside their labels",
        )
    return size


def unique_ids(pictures: Iterable[Picture], path: Path) -> None:
    """Refuse an id that stands twice.

    Raises:
        DataError: names it.
    """
    counts = Counter(one.id for one in pictures)
    twice = [one for one, count in counts.items() if count > 1]
    if twice:
        raise DataError(
            f"{str(path)!r} has the image id {twice[0]!r} {counts[twice[0]]} times",
            value=twice[0],
            remedy="give each picture an id of its own",
        )
