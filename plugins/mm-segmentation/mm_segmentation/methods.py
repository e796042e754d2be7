"""What else a segmenter's predictor can do: draw, write files, look at large pictures in tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mm_image.api import UnreadableImageError, decode, one_image, overlay, windows, write_images
from PIL import Image

from mm_core.api import ConfigError, DataError, LabelError, tools
from mm_core.api.processors import Table
from mm_segmentation.classes import Classes, MaskError, shown
from mm_segmentation.configs import MAX_PIXELS
from mm_segmentation.draw import RIGHT, sheet
from mm_segmentation.masks import MaskCell, find
from mm_segmentation.saving import save

if TYPE_CHECKING:
    from mm_core.api.tools import MultiModalPredictor, Recipe

_AT_ONCE = 16
"""Pictures that are answered at once: a thousand masks need not stand in memory together."""


@dataclass(frozen=True)
class _Rows:
    """A user's rows.

    Attributes:
        table: of them.
        index: the caller's.
        column: of the pictures.
        label: of the masks; None: the data has none.
        classes: what masks mean.
        most: pixels of a picture at most.
    """

    table: Table
    index: pd.Index[Any]
    column: str
    label: str | None
    classes: Classes
    most: int

    def picture(self, row: int) -> Image.Image:
        """Upright.

        Raises:
            DataError: there is none, or it cannot be read.
        """
        found = picture_of(self.table, self.column, row, self.most)
        if found is None:
            raise _no_picture(self.table, self.column, row, "the cell is missing")
        return found

    def truth(self, row: int) -> np.ndarray[Any, Any] | None:
        """Codes; None where no mask is given."""
        if self.label is None or (
            pd.api.types.is_scalar(self._mask(row)) and pd.isna(self._mask(row))
        ):
            return None
        try:
            source, runs = find(self._mask(row), self.table.folder, self.label)
        except MaskError as error:
            raise LabelError(
                f"row {row} of {self.label!r} {error}",
                column=self.label,
                rows=[row],
                remedy=error.remedy,
            ) from error
        return MaskCell(row, self.label, source, runs, self.classes).codes()

    def _mask(self, row: int) -> Any:
        return self.table.frame[self.label].iloc[row]


def picture_of(table: Table, column: str, row: int, most: int) -> Image.Image | None:
    """The picture of a row, upright; None where the cell is missing.

    Args:
        table: of the rows.
        column: of the pictures.
        row: its position.
        most: pixels of a picture at most.

    Raises:
        DataError: it cannot be read.
    """
    try:
        cell = one_image(table.frame[column].iloc[row], table.folder, column)
        return None if cell is None else decode(cell, most)
    except UnreadableImageError as error:
        raise _no_picture(table, column, row, error) from error


def _no_picture(table: Table, column: str, row: int, why: object) -> DataError:
    return DataError(
        f"row {row} of {column!r} has no picture: {why}",
        column=column,
        rows=[row],
        value=table.frame[column].iloc[row],
        remedy="check the cell",
    )


def read_from(recipe: Recipe) -> tuple[str, int]:
    """The column of a model's pictures, and pixels of one at most."""
    (part,) = recipe.inputs.values()
    (column,) = part.columns
    return column, int(part.processor.config.get("max_pixels", MAX_PIXELS))


def _rows(predictor: MultiModalPredictor, data: Any) -> _Rows:
    read = tools.read_rows(data, tools.registry_of(predictor))
    column, most = read_from(predictor.recipe)
    label = predictor.recipe.data.label[0]
    classes = tools.model_of(predictor).pipeline.task.classes
    there = label if label in read.table.frame else None
    return _Rows(read.table, read.index, column, there, classes, most)


def _drawn(
    predictor: MultiModalPredictor, rows: _Rows, chosen: Sequence[int], **options: Any
) -> Iterator[tuple[int, Any]]:
    """Answers of these rows, a few at a time."""
    for start in range(0, len(chosen), _AT_ONCE):
        part = np.array(chosen[start : start + _AT_ONCE], np.int64)
        yield from zip(
            part.tolist(), predictor.predict(rows.table.take(part), **options), strict=True
        )


def _codes(answer: np.ndarray[Any, Any], classes: Classes) -> np.ndarray[Any, Any]:
    """Codes of an answer."""
    if classes.coloured:
        return answer
    places = np.argsort(classes.values)
    return np.asarray(places[np.searchsorted(np.array(classes.values)[places], answer)])


def visualize(
    predictor: MultiModalPredictor,
    data: Any,
    out: str | Path | None = None,
    rows: Sequence[int] | None = None,
    most: int = 20,
    **options: Any,
) -> list[Any]:
    """Pictures with the masks that are there beside those that were drawn.

    Of one thing to find, green is right, red made up, blue missed.

    Args:
        predictor: fitted.
        data: with masks or without.
        out: a folder to write PNGs to; None: pictures are given.
        rows: which, by position; None: those with the most mistakes come first, of the first
            hundred rows.
        most: pictures at most.
        options: of the prediction, such as ``threshold`` and ``tta``.

    Returns:
        Pillow images, or the paths of the files.

    Raises:
        ConfigError: another form of answers, which cannot be drawn, or rows that are not there.
        DataError: a row has no picture.
        LabelError: a mask cannot be read.
    """
    given = _rows(predictor, data)
    _check_drawn(rows, len(given.table), options)
    chosen = _worst(predictor, given, options) if rows is None else list(rows)
    answers = _drawn(predictor, given, chosen[:most], **options)
    there = ((row, answer) for row, answer in answers if answer is not None or rows is not None)
    return write_images(((row, _sheet(given, row, answer)) for row, answer in there), out)


def _sheet(given: _Rows, row: int, answer: Any) -> Image.Image:
    known, picture = given.classes, given.picture(row)
    said = _codes(answer, known)
    return sheet(picture, given.truth(row), said, known.palette, known.names, known.binary)


def _worst(
    predictor: MultiModalPredictor, given: _Rows, options: Mapping[str, Any]
) -> Sequence[int]:
    """The first hundred rows, those with the most mistakes first where masks are given."""
    near = range(min(len(given.table), 100))
    if given.label is None or len(near) < 2:
        return near
    mistakes = {}
    for row, answer in _drawn(predictor, given, near, **options):
        true = given.truth(row)
        wrong = true is None or answer is None or true.shape != answer.shape
        mistakes[row] = 0.0 if wrong else _mistaken(true, _codes(answer, given.classes))
    return sorted(near, key=lambda row: -mistakes[row])


def _check_drawn(rows: Sequence[int] | None, there: int, options: Mapping[str, Any]) -> None:
    if options.get("form", "mask") != "mask":
        raise ConfigError(
            f"form={options['form']!r} cannot be drawn",
            value=options["form"],
            remedy="leave form out; predict(data, form=...) gives it",
        )
    strange = [row for row in rows or () if not 0 <= row < there]
    if strange:
        raise ConfigError(
            f"rows={strange[:8]}: the data has {there} rows",
            value=strange,
            remedy=f"rows: positions from 0 to {there - 1}",
        )


def _mistaken(true: Any, said: np.ndarray[Any, Any]) -> float:
    return float(((true != said) & (true >= 0)).mean())


def overlays(
    predictor: MultiModalPredictor, data: Any, answers: Sequence[Any] | None = None
) -> list[dict[str, Any] | None]:
    """Answers as a page draws them over the pictures: see :func:`mm_image.api.overlay`.

    Of one thing to find, what is beside it is not drawn; of several classes black ones are not.

    Args:
        predictor: fitted.
        data: the rows; nothing of them is read but labels where they are asked for.
        answers: what ``predict`` said of them: arrays [H, W] of the labels' values; None: what
            their labels say.

    Returns:
        One a row; None where there was no picture.

    Raises:
        ConfigError: answers of another form.
    """
    known = tools.model_of(predictor).pipeline.task.classes
    colours = [(0, 0, 0), RIGHT] if known.binary else known.palette
    classes = [
        {"name": name, "value": shown(value), "colour": colour if any(colour) else None}
        for name, value, colour in zip(known.names, known.values, colours, strict=True)
    ]
    strange = [one for one in answers or () if one is not None and not isinstance(one, np.ndarray)]
    if strange:
        raise ConfigError(
            f"an answer is a {type(strange[0]).__name__}, no mask that can be drawn",
            value=type(strange[0]).__name__,
            remedy="leave form out of the prediction",
        )
    if answers is None:
        given = _rows(predictor, data)
        drawn = [given.truth(row) for row in range(len(given.table))]
    else:
        drawn = [None if one is None else _codes(one, known) for one in answers]
    return [
        None if codes is None else overlay(codes.shape[::-1], (), codes, classes) for codes in drawn
    ]


def predict_tiles(
    predictor: MultiModalPredictor,
    data: Any,
    side: int = 512,
    shared: float = 0.25,
    tta: bool = False,
) -> pd.Series[Any]:
    """Masks of large pictures: each is looked at in tiles at its own scale, and these are joined.

    Small things in a large picture are too small where it is shrunk to the network's canvas. Where
    tiles overlap, the mean of their probabilities counts, that of a tile's middle more than that of
    its border. One picture stands in memory at a time, with a number for each class and pixel.

    Args:
        predictor: fitted, best on pictures or parts of the same scale.
        data: with or without masks.
        side: of a tile, in pixels.
        shared: share of its side that a tile has in common with the next.
        tta: as in a prediction.

    Returns:
        Answers as ``predict`` gives them, with the caller's index.

    Raises:
        ConfigError: a side or share that leaves no tiles.
        DataError: a picture cannot be read.
    """
    _check_tiles(side, shared)
    given = _rows(predictor, data)
    answers = [_tiled(predictor, given, row, side, shared, tta) for row in range(len(given.table))]
    return pd.Series(answers, index=given.index, name=predictor.recipe.data.label[0], dtype=object)


def write_tiles(
    predictor: MultiModalPredictor,
    data: Any,
    out: Path,
    side: int = 512,
    shared: float = 0.25,
    tta: bool = False,
) -> list[str]:
    """The masks of :func:`predict_tiles` as files, one in memory at a time; their names.

    Raises:
        as there; DataError: the folder cannot be written.
    """
    _check_tiles(side, shared)
    given = _rows(predictor, data)
    files: list[str] = []
    for row in range(len(given.table)):
        answer = _tiled(predictor, given, row, side, shared, tta)
        cell = pd.Series([answer], dtype=object)
        try:
            files.extend(save(cell.to_frame("mask"), [row], out)["mask"])
        except OSError as error:
            raise DataError(
                f"cannot write to {str(out)!r}: {error}",
                value=str(out),
                remedy="name a folder that you may write to: --out DIR",
            ) from error
    return files


def _tiled(
    predictor: MultiModalPredictor, given: _Rows, row: int, side: int, shared: float, tta: bool
) -> np.ndarray[Any, Any]:
    """The answer of a row."""
    mean = _joined(predictor, given, given.picture(row), side, shared, tta)
    if given.classes.binary:
        task: Any = tools.model_of(predictor).pipeline.task
        return given.classes.answer((mean[1] >= task.threshold).astype(np.uint8))
    return given.classes.answer(mean.argmax(axis=0))


def _check_tiles(side: int, shared: float) -> None:
    if side < 32 or not 0 <= shared < 0.9:
        raise ConfigError(
            f"tiles of {side} pixels that share {shared} of their sides cannot be cut",
            value=(side, shared),
            remedy="side: 32 or more; shared: from 0 to less than 0.9",
        )


def _joined(
    predictor: MultiModalPredictor,
    given: _Rows,
    picture: Image.Image,
    side: int,
    shared: float,
    tta: bool,
) -> np.ndarray[Any, Any]:
    """Probabilities of each class, float32 [C, H, W]."""
    total = np.zeros((len(given.classes.names), picture.height, picture.width), np.float32)
    weight = np.zeros((picture.height, picture.width), np.float32)
    tiles = list(windows(picture.size, side, shared))
    for start in range(0, len(tiles), _AT_ONCE):
        part = tiles[start : start + _AT_ONCE]
        cut = [np.asarray(picture.crop(window)) for window in part]
        cells = pd.DataFrame({given.column: pd.Series(cut, dtype=object)})
        said = predictor.predict(cells, form="probabilities", tta=tta)
        for (left, top, right, bottom), each in zip(part, said, strict=True):
            near = _middle(bottom - top)[:, None] * _middle(right - left)[None, :]
            total[:, top:bottom, left:right] += each.astype(np.float32) * near
            weight[top:bottom, left:right] += near
    total /= weight
    return total


def _middle(length: int) -> np.ndarray[Any, Any]:
    """Weights of the pixels of a tile's side: 1 in the middle, little at its ends."""
    place = (np.arange(length) + 0.5) / length
    return np.asarray(np.minimum(place, 1 - place) * 2 + 0.05, np.float32)
