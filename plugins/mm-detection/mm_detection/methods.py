"""What else a detector's predictor can do: draw, count confusions, look at slices, write COCO."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
from mm_image.api import (
    ImageCell,
    UnreadableImageError,
    colour_of,
    decode,
    one_image,
    overlay,
    runs_to_mask,
    size_and_turn,
    windows,
    write_images,
)
from PIL import Image

from mm_core.api import ConfigError, DataError, tools
from mm_core.api.processors import Table
from mm_detection.boxes import Box, BoxError
from mm_detection.configs import MAX_PIXELS, SEEN, BoxOptions
from mm_detection.draw import Areas, side_by_side
from mm_detection.frames import UPRIGHT, corners_as_shown
from mm_detection.matching import matched
from mm_detection.outlines import Outline, read_outline, turned
from mm_detection.writers import checked_boxes

if TYPE_CHECKING:
    from mm_core.api.tools import MultiModalPredictor

T = TypeVar("T")

NOTHING, MISSED = "(nothing)", "(missed)"


@dataclass(frozen=True)
class _Asked:
    """Rows with their answers.

    Attributes:
        table: of the data.
        index: the caller's.
        column: of the pictures.
        answers: a list of boxes a row.
        true: boxes of each row, or None where the data has no labels.
        stored: whether boxes are given as pixels are stored (``processor.exif``).
        most: pixels of a picture at most.
        drawn: whether each box has a mask.
    """

    table: Table
    index: pd.Index[Any]
    column: str
    answers: list[list[Any]]
    true: list[list[Box]] | None
    stored: bool
    most: int
    drawn: bool = False

    def picture(self, row: int) -> Image.Image:
        """Upright.

        Raises:
            DataError: there is none, or it cannot be read.
        """
        return self._read(row, lambda cell: decode(cell, self.most))

    def size_and_turn(self, row: int) -> tuple[tuple[int, int], int]:
        """Sides of the upright picture, and EXIF's number; raises likewise."""
        return self._read(row, size_and_turn)

    def _read(self, row: int, how: Callable[[ImageCell], T]) -> T:
        value = self.table.frame[self.column].iloc[row]
        try:
            cell = one_image(value, self.table.folder, self.column, "boxes lie in one")
            if cell is None:
                raise UnreadableImageError("the cell is missing")
            return how(cell)
        except UnreadableImageError as error:
            raise DataError(
                f"row {row} of {self.column!r} has no picture to draw: {error}",
                column=self.column,
                rows=[row],
                value=value,
                remedy="check the cell",
            ) from error


def _asked(predictor: MultiModalPredictor, data: Any, options: dict[str, Any]) -> _Asked:
    given = _given(predictor, data)
    answers = list(predictor.predict(given.table, **options))
    frame, named = given.table.frame, predictor.recipe.data.label
    label = named[0] if named else ""
    there = label in frame and frame[label].notna().all()
    true = checked_boxes(frame[label], masks=given.drawn) if there else None
    return replace(given, answers=answers, true=true)


def _given(predictor: MultiModalPredictor, data: Any) -> _Asked:
    """Rows that nobody asked for yet."""
    rows = tools.read_rows(data, tools.registry_of(predictor))
    (part,) = predictor.recipe.inputs.values()
    (column,) = part.columns
    exif, most = _settings(part)
    stored = exif == "stored"
    return _Asked(rows.table, rows.index, column, [], None, stored, most, _draws(predictor))


def _settings(part: Any) -> tuple[str, int]:
    given = part.processor.config
    return str(given.get("exif", "upright")), int(given.get("max_pixels", MAX_PIXELS))


def visualize(
    predictor: MultiModalPredictor,
    data: Any,
    out: str | Path | None = None,
    rows: Sequence[int] | None = None,
    score_threshold: float = 0.3,
    most: int = 20,
) -> list[Any]:
    """Pictures of what is there beside what was found: right, double, of a wrong class, missed.

    Args:
        predictor: fitted.
        data: with labels or without.
        out: a folder to write PNGs to; None: pictures are given.
        rows: which, by position; None: those with the most mistakes come first, of the first
            hundred rows.
        score_threshold: boxes of a lower score are left out.
        most: pictures at most.

    Returns:
        Pillow images, or the paths of the files.

    Raises:
        DataError: a row has no picture.
    """
    asked = _asked(predictor, data, {"score_threshold": score_threshold})
    chosen = list(rows) if rows is not None else _worst(asked)
    cells = asked.table.frame[asked.column]
    there = (row for row in chosen[:most] if rows is not None or not pd.isna(cells.iloc[row]))
    return write_images(((row, _sheet(asked, row)) for row in there), out)


def _sheet(asked: _Asked, row: int) -> Image.Image:
    picture = asked.picture(row)
    true = None if asked.true is None else asked.true[row]
    said = asked.answers[row]
    size, turn = picture.size, UPRIGHT
    if asked.stored:
        size, turn = asked.size_and_turn(row)
        said = [[*corners_as_shown(box[:4], size, turn), *box[4:]] for box in said]
        if true is not None:
            true = [replace(box, corners=corners_as_shown(box.corners, size, turn)) for box in true]
    areas = None
    if asked.drawn:
        areas = _areas(asked, row, size[::-1] if turn >= 5 else size).shown(turn)
    return side_by_side(picture, true, said, areas)


def _areas(asked: _Asked, row: int, size: tuple[int, int]) -> Areas:
    """Masks as they are given, of a picture of this width and height.

    Raises:
        DataError: a true mask is of a picture of another size.
    """
    outlines = [] if asked.true is None else [box.more["mask"] for box in asked.true[row]]
    true = [_pixels(one, size, row) for one in outlines]
    return Areas(true, [_pixels(box[6], size, row) for box in asked.answers[row]])


def _pixels(mask: Any, size: tuple[int, int], row: int) -> np.ndarray[Any, Any]:
    """Of an answer's runs, or of a label's outline."""
    if not isinstance(mask, Outline):
        return runs_to_mask(mask)
    try:
        return mask.pixels(size)
    except BoxError as error:
        raise DataError(
            f"row {row}: a mask {error}",
            rows=[row],
            remedy="`mm detection check DATA` lists such rows",
        ) from error


def _shared(asked: _Asked, row: int) -> np.ndarray[Any, Any] | None:
    """Overlaps of masks; None: those of boxes say it."""
    if not asked.drawn or not asked.answers[row] or not (asked.true and asked.true[row]):
        return None
    height, width = asked.answers[row][0][6]["size"]
    return _areas(asked, row, (width, height)).shared()


def _worst(asked: _Asked) -> list[int]:
    order = range(min(len(asked.answers), 100))
    if asked.true is None:
        return list(order)
    mistakes = {}
    for row in order:
        found = matched(asked.true[row], asked.answers[row], shared=_shared(asked, row))
        wrong = Counter([*found.found, *found.true])
        mistakes[row] = sum(wrong[what] for what in ("double", "class", "extra", "missed"))
    return sorted(order, key=lambda row: -mistakes[row])


def confusion(
    predictor: MultiModalPredictor,
    data: Any,
    score_threshold: float = 0.3,
    overlap: float = 0.5,
) -> pd.DataFrame:
    """How often a box of each class was found as which.

    Args:
        predictor: fitted.
        data: with labels.
        score_threshold: boxes of a lower score are left out.
        overlap: from which on a found box is taken for a true one.

    Returns:
        Counts; a row for each true class and one for nothing, a column for each class found and
        one for those missed.

    Raises:
        DataError: the data has no labels.
    """
    asked = _asked(predictor, data, {"score_threshold": score_threshold})
    if asked.true is None:
        raise DataError(
            "the data has no boxes to compare with",
            remedy=f"give a column {predictor.recipe.data.label[0]!r} of boxes",
        )
    names = _classes(predictor)
    table = pd.DataFrame(0, index=[*names, NOTHING], columns=[*names, MISSED])
    table.index.name = "true"
    for place, (true, said) in enumerate(zip(asked.true, asked.answers, strict=True)):
        for is_, found in matched(true, said, overlap, _shared(asked, place)).pairs:
            row, column = NOTHING if is_ is None else is_, MISSED if found is None else found
            if row not in table.index:  # a class that the model does not know, marked difficult
                continue
            table.loc[row, column] += 1
    return table


def predict_coco(
    predictor: MultiModalPredictor, data: Any, out: str | Path | None = None, **options: Any
) -> dict[str, Any]:
    """COCO's document of what was found: images, categories by their ids, annotations with scores.

    All boxes that ``evaluate`` looks at: what is computed from it is what ``evaluate`` says.

    Args:
        predictor: fitted.
        data: images are numbered by its index where that is called ``image_id``, as in data that
            came from a COCO file, else from 1 on.
        out: a .json file to write; None: none.
        options: of the prediction; ``score_threshold`` is 0.02 unless it is given.
    """
    asked = _asked(predictor, data, {"score_threshold": SEEN, **options, "as_coco": True})
    known = asked.index.name == "image_id"
    numbers = [_plain(one) for one in asked.index] if known else range(1, len(asked.answers) + 1)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for row, (number, boxes) in enumerate(zip(numbers, asked.answers, strict=True)):
        value = asked.table.frame[asked.column].iloc[row]
        images.append({"id": number, "file_name": str(value), **_sides(asked, row)})
        for box in boxes:
            mask = box.get("segmentation")
            area = box["bbox"][2] * box["bbox"][3] if mask is None else read_outline(mask).area
            more = {"id": len(annotations) + 1, "image_id": number, "area": area, "iscrowd": 0}
            annotations.append({**more, **box})
    task: Any = _task(predictor)
    categories = [
        {"id": number, "name": str(name)}
        for name, number in zip(task.classes, task.ids, strict=True)
    ]
    document = {"images": images, "categories": categories, "annotations": annotations}
    if out is not None:
        Path(out).write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return document


def _sides(asked: _Asked, row: int) -> dict[str, int]:
    try:
        width, height = asked.size_and_turn(row)[0]
    except DataError:  # a row without a picture has no boxes and no size
        return {}
    return {"width": width, "height": height}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def overlays(
    predictor: MultiModalPredictor,
    data: Any,
    answers: Sequence[Sequence[Sequence[Any]]] | None = None,
) -> list[dict[str, Any] | None]:
    """Answers as a page draws them over the pictures: see :func:`mm_image.api.overlay`.

    Where masks lie over one another, that of the surer box is on top.

    Args:
        predictor: fitted.
        data: rows, with labels or without.
        answers: what ``predict`` said of them: lists of ``[x1, y1, x2, y2, class, score]``, and of
            a mask where there are such; None: what their labels say, with scores of None.

    Returns:
        One a row; None where there is no picture that can be read.

    Raises:
        ConfigError: answers of another form.
        DataError: no answers are given, and there are no labels, or their masks are of pictures of
            another size.
    """
    asked = _given(predictor, data)
    said = answers if answers is not None else _labels_as_answers(asked, predictor)
    asked = replace(asked, answers=[list(one) for one in said])
    if any(isinstance(box, Mapping) for row in asked.answers for box in row):
        raise ConfigError(
            "answers of as_coco=True are not drawn",
            value="as_coco",
            remedy="leave as_coco out of the prediction",
        )
    classes = [
        {"name": str(name), "value": str(name), "colour": colour_of(code)}
        for code, name in enumerate(_classes(predictor))
    ]
    return [_overlay(asked, row, classes) for row in range(len(asked.table))]


def _overlay(
    asked: _Asked, row: int, classes: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    try:
        size, turn = asked.size_and_turn(row)
    except DataError:
        return None
    turn = turn if asked.stored else UPRIGHT
    places = {one["name"]: place for place, one in enumerate(classes)}
    boxes = []
    codes = np.full(size[::-1], -1) if asked.drawn else None
    for *corners, name, score in (one[:6] for one in asked.answers[row]):
        # A true box may be of a class that the model does not know, marked difficult.
        colour = colour_of(places.get(str(name), len(classes)))
        there = {"name": str(name), "score": score, "colour": colour}
        boxes.append({**there, "corners": list(corners_as_shown(corners, size, turn))})
    if codes is not None:
        stored = size[::-1] if turn >= 5 else size
        for box in reversed(asked.answers[row]):
            codes[turned(_pixels(box[6], stored, row), turn) > 0] = places.get(str(box[4]), -1)
    return overlay(size, boxes, codes, classes)


def _labels_as_answers(asked: _Asked, predictor: MultiModalPredictor) -> list[list[Any]]:
    """With scores of None, and outlines as they were given for masks."""
    label = predictor.recipe.data.label[0]
    if label not in asked.table.frame or asked.table.frame[label].isna().any():
        raise DataError(
            f"there are no labels to draw: {label!r} is missing, or cells of it",
            column=label,
            remedy="give rows with labels, or answers",
        )
    masks = ("mask",) if asked.drawn else ()
    return [
        [[*box.corners, box.name, None, *(box.more[name] for name in masks)] for box in boxes]
        for boxes in checked_boxes(asked.table.frame[label], masks=asked.drawn)
    ]


def predict_slices(
    predictor: MultiModalPredictor,
    data: Any,
    side: int = 640,
    shared: float = 0.2,
    **options: Any,
) -> pd.Series[Any]:
    """Boxes of large pictures: each is looked at as a whole and in slices, and answers are joined.

    Small things in a large picture are too small where it is shrunk to the network's square.

    Args:
        predictor: fitted.
        data: with or without labels.
        side: of a slice, in pixels.
        shared: share of its side that a slice has in common with the next, so that what lies on
            a border is whole in one of them.
        options: of the prediction; ``overlap`` also joins slices (0.5 where it is not given).

    Returns:
        Answers as ``predict`` gives them, with the caller's index.

    Raises:
        ConfigError: a side or share that leaves no slices, or a model that finds masks.
        BadCellsError: a picture cannot be read.
    """
    if _draws(predictor):
        raise ConfigError(
            "masks of slices are not joined",
            value=predictor.recipe.task.id,
            remedy="predict on whole pictures with a larger image_size, or learn boxes: "
            "problem_type=object_detection",
        )
    if side < 32 or not 0 <= shared < 0.9:
        raise ConfigError(
            f"slices of {side} pixels that share {shared} of their sides cannot be cut",
            value=(side, shared),
            remedy="side: 32 or more; shared: from 0 to less than 0.9",
        )
    asked = _given(predictor, data)
    read = BoxOptions.read(options, where="options") if options else BoxOptions()
    answers = []
    for row in range(len(asked.table)):
        picture = asked.picture(row)
        looks = list(slices(picture.size, side, shared))
        cut = [np.asarray(picture.crop(window)) for window in looks]
        cells = pd.DataFrame({asked.column: pd.Series(cut, dtype=object)})
        said = predictor.predict(cells, **{**options, "as_coco": False})
        joined = [
            _moved(box, window) for boxes, window in zip(said, looks, strict=True) for box in boxes
        ]
        answers.append(_joined(joined, read.overlap or 0.5, read.most))
    name = predictor.recipe.data.label[0]
    return pd.Series(answers, index=asked.index, name=name, dtype=object)


def slices(size: tuple[int, int], side: int, shared: float) -> Iterator[tuple[int, int, int, int]]:
    """The whole picture, and windows that cover it: left, upper, right, lower."""
    yield 0, 0, *size
    if max(size) > side:
        yield from windows(size, side, shared)


def _moved(box: Sequence[Any], window: tuple[int, int, int, int]) -> list[Any]:
    x, y = window[:2]
    return [
        round(box[0] + x, 2),
        round(box[1] + y, 2),
        round(box[2] + x, 2),
        round(box[3] + y, 2),
        *box[4:],
    ]


def _joined(boxes: Sequence[Sequence[Any]], overlap: float, most: int) -> list[Any]:
    """Of boxes of one class that are one thing the best; a part cut off by a slice is one too."""
    kept: list[Sequence[Any]] = []
    for box in sorted(boxes, key=lambda one: -one[5]):
        if all(box[4] != one[4] or _common(box, one) <= overlap for one in kept):
            kept.append(box)
    return [list(box) for box in kept[:most]]


def _common(first: Sequence[Any], second: Sequence[Any]) -> float:
    """The larger of: intersection over union, and 0.6 of the share of the smaller that lies in the
    other: a part is told from a neighbour by lying in the whole nearly wholly.
    """
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(one[2] - one[0]) * (one[3] - one[1]) for one in (first, second)]
    shared = width * height
    return float(max(shared / (sum(areas) - shared), 0.6 * shared / max(min(areas), 1e-9)))


def _task(predictor: MultiModalPredictor) -> Any:
    return tools.model_of(predictor).pipeline.task


def _draws(predictor: MultiModalPredictor) -> bool:
    return bool(_task(predictor).info.get("masks"))


def _classes(predictor: MultiModalPredictor) -> list[Any]:
    return list(_task(predictor).classes)
