"""Which pixels a thing has: COCO's polygons, its runs or an array, as one form. numpy.

How a polygon becomes pixels is COCO's own definition, by faster-coco-eval.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from mm_image.api import mask_to_runs, run_lengths, runs_to_mask

from mm_detection.boxes import Box, BoxError
from mm_detection.configs import MAX_PIXELS
from mm_detection.frames import as_shown

_FARTHEST = 1e6
"""Pixels from a picture's corner: a polygon that reaches farther would be drawn for minutes."""

Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class Move:
    """Where points of a picture lie after it was moved: ``factor`` times them, plus ``shift``.

    Attributes:
        factor: of x and y; negative where the picture is mirrored.
        shift: in pixels of what it was moved to.
    """

    factor: tuple[float, float] = (1.0, 1.0)
    shift: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Outline:
    """The pixels of one thing, kept small until they are wanted.

    Attributes:
        polygons: x1, y1, x2, y2, ... of each, in pixels of the picture; a thing may be in pieces.
        runs: COCO's record, where it is not polygons that say it.
        label: name of the column that it is from.
        what: its class and box, as errors show it.
    """

    polygons: tuple[tuple[float, ...], ...] = ()
    runs: Mapping[str, Any] | None = None
    label: str = field(default="", compare=False)
    what: str = field(default="", compare=False)

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the picture that it is of; None: polygons do not tell."""
        return None if self.runs is None else (self.runs["size"][1], self.runs["size"][0])

    @property
    def area(self) -> float:
        """In pixels; that of polygons by their corners, pieces added up."""
        if self.runs is not None:
            return float(run_lengths(self.runs)[1][1::2].sum())
        return sum(_area(np.reshape(one, (-1, 2))) for one in self.polygons)

    @property
    def bounds(self) -> Corners:
        """x1 y1 x2 y2 of what it covers; zeros where that is nothing."""
        if self.runs is not None:
            return _bounds_of_runs(self.runs)
        points = np.concatenate([np.reshape(one, (-1, 2)) for one in self.polygons])
        x1, y1, x2, y2 = [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()]
        return x1, y1, x2, y2

    def pixels(self, size: tuple[int, int]) -> np.ndarray[Any, Any]:
        """uint8 [H, W], 1 in it.

        Args:
            size: width and height of its picture, in which the label was made.

        Raises:
            BoxError: it is of a picture of another size.
        """
        if self.runs is None:
            return _filled(self.polygons, size)
        if self.size != tuple(size):
            raise BoxError(f"is {_by(self.size)} pixels, and its picture {_by(size)}")
        return runs_to_mask(self.runs)

    def coded(self, size: tuple[int, int]) -> dict[str, Any]:
        """The same as faster-coco-eval has it; see :meth:`pixels`."""
        if self.runs is None:
            return _merged(self.polygons, size)
        return coded(self.pixels(size))

    def moved(
        self,
        move: Move,
        window: tuple[int, int, int, int],
        side: int,
        size: tuple[int, int],
    ) -> np.ndarray[Any, Any]:
        """uint8 [S, S], what of it is seen in a square that a picture was moved to.

        Args:
            move: of the picture.
            window: left, upper, right, lower of the part of the square that it fills.
            side: of the square.
            size: width and height of the picture.

        Raises:
            BoxError: it is of a picture of another size.
        """
        left, top, right, bottom = window
        seen = np.zeros((side, side), np.uint8)
        if self.runs is None:
            there = [
                (np.reshape(one, (-1, 2)) * move.factor + move.shift).ravel()
                for one in self.polygons
            ]
            seen[top:bottom, left:right] = _filled(there, (side, side))[top:bottom, left:right]
            return seen
        pixels = self.pixels(size)
        x = (np.arange(left, right) + 0.5 - move.shift[0]) / move.factor[0]
        y = (np.arange(top, bottom) + 0.5 - move.shift[1]) / move.factor[1]
        columns, rows = (
            np.clip(one.astype(np.int64), 0, most - 1) for one, most in ((x, size[0]), (y, size[1]))
        )
        seen[top:bottom, left:right] = pixels[rows[:, None], columns[None, :]]
        return seen

    def shown(self, size: tuple[int, int], turn: int) -> Outline:
        """That of a picture as it is stored, as it lies when that is shown upright.

        Args:
            size: width and height of the picture upright.
            turn: EXIF's orientation, 1..8.

        Raises:
            BoxError: it is of a picture of another size.
        """
        if self.runs is None:
            polygons = (_points_shown(one, size, turn) for one in self.polygons)
            return replace(self, polygons=tuple(polygons))
        stored = size[::-1] if turn >= 5 else size
        return replace(self, runs=mask_to_runs(turned(self.pixels(stored), turn)))

    def plain(self) -> Any:
        """As JSON has it, and COCO: a list of polygons, or runs."""
        return dict(self.runs) if self.runs is not None else [list(one) for one in self.polygons]


# ---- reading


def read_outline(mask: Any) -> Outline:
    """What a label says of the pixels of a thing.

    Args:
        mask: COCO's polygons ``[[x1, y1, x2, y2, ...], ...]``, its runs ``{"size": [height, width],
            "counts": ...}`` with counts as a text or as numbers, or an array [H, W].

    Raises:
        BoxError: it is none of them; the message is one clause.
    """
    if isinstance(mask, Outline):
        return mask
    if isinstance(mask, Mapping):
        return Outline(runs=_runs(mask))
    if isinstance(mask, np.ndarray) and mask.dtype != object:
        return Outline(runs=mask_to_runs(_array(mask)))
    if isinstance(mask, list | tuple | np.ndarray) and len(mask):
        return Outline(tuple(_polygon(one) for one in mask))
    raise BoxError(f"is a {type(mask).__name__}, neither polygons nor runs nor an array [H, W]")


def with_outlines(boxes: Iterable[Box], label: str, repaired: Counter[str]) -> list[Box]:
    """Boxes whose ``more["mask"]`` is an :class:`Outline`.

    Those without a pixel are left out: nothing could be learned from them. A crowd or a difficult
    box may lack a mask, and its box is taken then. ``repaired`` counts both.

    Args:
        boxes: of a cell.
        label: name of the column.
        repaired: counts.

    Raises:
        BoxError: a box has no mask, one that cannot be read, or one that lies elsewhere.
    """
    found = []
    for box in boxes:
        what = f"{box.name!r} at {[round(one, 1) for one in box.corners]}"
        mask = box.more.get("mask")
        if mask is None and not box.ignore:
            raise BoxError(f"has no mask of {what}")
        if mask is None:
            x1, y1, x2, y2 = box.corners
            mask = [[x1, y1, x2, y1, x2, y2, x1, y2]]
            repaired["maskless"] += 1
        try:
            outline = replace(read_outline(mask), label=label, what=what)
        except BoxError as error:
            raise BoxError(f"has a mask of {what} that {error}") from error
        if outline.area == 0:
            repaired["hollow"] += 1
            continue
        if _apart(outline.bounds, box.corners):
            lies = [round(one, 1) for one in outline.bounds]
            raise BoxError(f"has a mask of {what} that lies elsewhere, at {lies}")
        found.append(replace(box, more={**box.more, "mask": outline}))
    sizes = sorted({box.more["mask"].size for box in found} - {None})
    if len(sizes) > 1:
        raise BoxError(f"has masks of pictures of {_by(sizes[0])} and of {_by(sizes[1])} pixels")
    return found


def plain_mask(mask: Any) -> Any:
    """A mask that JSON can hold: lists and runs with texts stay as they are.

    Raises:
        BoxError: it is an array that is no mask.
    """
    return read_outline(mask).plain() if isinstance(mask, np.ndarray | Outline) else mask


def _polygon(part: Any) -> tuple[float, ...]:
    try:
        points = np.asarray(part)
    except ValueError:  # of lists of several lengths
        points = np.empty(0, dtype=object)
    if points.ndim != 1 or points.dtype.kind not in "iuf":
        raise BoxError("has a polygon that is no list of numbers [x1, y1, x2, y2, ...]")
    if len(points) % 2:
        raise BoxError(f"has a polygon of {len(points)} numbers: they come in pairs x, y")
    if len(points) < 6:
        raise BoxError(f"has a polygon of {len(points) // 2} point(s): three make the smallest")
    if not np.isfinite(points).all():
        raise BoxError("has a polygon with a point that is no finite number")
    if np.abs(points).max() > _FARTHEST:
        raise BoxError(f"has a polygon with a point at {np.abs(points).max():g} pixels")
    return tuple(points.astype(np.float64).tolist())


def _runs(mask: Mapping[str, Any]) -> dict[str, Any]:
    try:
        (height, width), counts = run_lengths(mask)
    except ValueError as error:
        raise BoxError(str(error)) from error
    if not 0 < height * width <= MAX_PIXELS:
        raise BoxError(f"is {width} x {height} pixels, which no picture is")
    written = mask["counts"]
    if isinstance(written, bytes):
        written = written.decode("ascii")
    text = written if isinstance(written, str) else counts.tolist()
    return {"size": [height, width], "counts": text}


def _array(mask: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if mask.ndim != 2 or not mask.size or mask.dtype.kind not in "biuf":
        raise BoxError(f"is an array {list(mask.shape)} of {mask.dtype}, not numbers [H, W]")
    if not np.isfinite(mask).all():
        raise BoxError("is an array with NaN or infinity")
    values = np.unique(mask)
    if len(values) > 2 or (len(values) == 2 and values[0] != 0):
        raise BoxError(f"is an array with the values {values[:4].tolist()}, not 0 and one more")
    return mask != 0


# ---- pixels


def turned(pixels: np.ndarray[Any, Any], turn: int) -> np.ndarray[Any, Any]:
    """An array [H, W] as it is stored, as it lies when its picture is shown upright."""
    pixels = pixels.T if turn >= 5 else pixels
    return _flipped(pixels, turn)


def turned_back(pixels: np.ndarray[Any, Any], turn: int) -> np.ndarray[Any, Any]:
    """The way back from :func:`turned`."""
    pixels = _flipped(pixels, turn)
    return pixels.T if turn >= 5 else pixels


def painted(
    grid: np.ndarray[Any, Any], frame: Sequence[float], size: tuple[int, int], least: float
) -> np.ndarray[Any, Any]:
    """bool [H, W], where what a coarse grid says is ``least`` or more.

    Args:
        grid: float [h, w], each cell's middle.
        frame: x1 y1 x2 y2 that the grid covers, in pixels; nothing outside of it is in.
        size: width and height of the picture.
        least: threshold; between the middles of cells values go over into one another.
    """
    pixels = np.zeros(size[::-1], dtype=bool)
    spans = []
    for low, high, most, cells in (
        (frame[1], frame[3], size[1], grid.shape[0]),
        (frame[0], frame[2], size[0], grid.shape[1]),
    ):
        first, stop = max(0, math.ceil(low - 0.5)), min(most, math.ceil(high - 0.5))
        if first >= stop:
            return pixels
        place = (np.arange(first, stop) + 0.5 - low) * (cells / (high - low)) - 0.5
        place = np.clip(place, 0, cells - 1)
        before = place.astype(np.int64)
        after = np.minimum(before + 1, cells - 1)
        spans.append((slice(first, stop), before, after, (place - before).astype(np.float32)))
    (down, top, bottom, share), (across, left, right, part) = spans
    rows = grid[top] * (1 - share[:, None]) + grid[bottom] * share[:, None]
    pixels[down, across] = rows[:, left] * (1 - part) + rows[:, right] * part >= least
    return pixels


def coded(pixels: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Runs of a mask [H, W] as faster-coco-eval has them."""
    from faster_coco_eval import mask as coco

    found: dict[str, Any] = coco.encode(np.asfortranarray(pixels, dtype=np.uint8))
    return found


def overlaps(
    first: Sequence[dict[str, Any]], second: Sequence[dict[str, Any]]
) -> np.ndarray[Any, Any]:
    """Intersection over union of masks of one picture, as :func:`coded` gives them: [n, m]."""
    from faster_coco_eval import mask as coco

    if not len(first) or not len(second):
        return np.zeros((len(first), len(second)))
    return np.asarray(coco.iou(list(first), list(second), [0] * len(second)))


def _filled(polygons: Iterable[Sequence[float]], size: tuple[int, int]) -> np.ndarray[Any, Any]:
    """uint8 [H, W]."""
    from faster_coco_eval import mask as coco

    found: np.ndarray[Any, Any] = coco.decode(_merged(polygons, size))
    return found


def _merged(polygons: Iterable[Sequence[float]], size: tuple[int, int]) -> dict[str, Any]:
    from faster_coco_eval import mask as coco

    pieces = coco.frPyObjects([list(map(float, one)) for one in polygons], size[1], size[0])
    found: dict[str, Any] = coco.merge(pieces)
    return found


def _flipped(pixels: np.ndarray[Any, Any], turn: int) -> np.ndarray[Any, Any]:
    pixels = pixels[:, ::-1] if turn in (2, 3, 6, 7) else pixels
    return pixels[::-1] if turn in (3, 4, 7, 8) else pixels


def _points_shown(flat: Sequence[float], size: Sequence[float], turn: int) -> tuple[float, ...]:
    points = np.reshape(np.asarray(flat, np.float64), (-1, 2))
    there = as_shown(np.concatenate([points, points], axis=1), size, turn)
    return tuple(there[:, :2].ravel().tolist())


def _area(points: np.ndarray[Any, Any]) -> float:
    x, y = points.T
    return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2


def _bounds_of_runs(runs: Mapping[str, Any]) -> Corners:
    (height, _), counts = run_lengths(runs)
    ends = np.cumsum(counts)
    starts, ends = ends[:-1:2], ends[1::2]
    there = ends > starts
    starts, ends = starts[there], ends[there]
    if not len(starts):
        return 0.0, 0.0, 0.0, 0.0
    first, last = starts // height, (ends - 1) // height
    top = np.where(first == last, starts % height, 0).min()
    bottom = np.where(first == last, (ends - 1) % height, height - 1).max()
    return float(first.min()), float(top), float(last.max() + 1), float(bottom + 1)


def _apart(first: Corners, second: Corners) -> bool:
    """Whether two boxes are a pixel or more from one another."""
    return any(
        first[axis] >= second[axis + 2] + 1 or second[axis] >= first[axis + 2] + 1
        for axis in (0, 1)
    )


def _by(size: Sequence[int] | None) -> str:
    return " x ".join(map(str, size or ()))
