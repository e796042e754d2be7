"""What lies over a picture, as pages draw and say it: boxes, classes of pixels. numpy, Pillow."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

Colour = tuple[int, int, int]

_COLOURS = (
    (31, 119, 220),
    (230, 97, 0),
    (46, 160, 67),
    (170, 60, 190),
    (215, 38, 61),
    (0, 150, 160),
    (150, 110, 0),
    (230, 80, 150),
)
"""Of classes that have none of their own: read on light and on dark, and told apart by most."""

_CLEAR = 0
_COVER = 150
"""Of 255: the picture is seen through what lies over it."""


def colour_of(code: int) -> Colour:
    """Of the class with this code, where it has none of its own."""
    return _COLOURS[code % len(_COLOURS)]


def overlay(
    size: tuple[int, int],
    boxes: Iterable[Mapping[str, Any]] = (),
    codes: np.ndarray[Any, Any] | None = None,
    classes: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """One row's answer over its picture, as a predictor's method ``overlays`` gives it: JSON.

    Args:
        size: width and height of the picture upright, in its pixels.
        boxes: ``name``, ``score`` (0..1; None: of a label), ``corners`` (x1, y1, x2, y2 in pixels
            of the picture upright) and ``colour`` of each, the surest first.
        codes: whole numbers [H, W], places in ``classes``, -1 where nothing is said; of that size.
            None: the answer has no mask.
        classes: ``name``, ``value`` (in the labels) and ``colour`` of each class of the mask; a
            colour of None is not drawn.

    Returns:
        ``width``, ``height``; ``boxes`` as given, colours as ``"#rrggbb"``; ``mask``, a ``data:``
        address of a PNG of the same size, clear where nothing is drawn, or None; ``legend``,
        ``name``, ``value``, ``colour`` and ``share`` of the pixels of each class that is there, the
        largest first.
    """
    width, height = size
    found: dict[str, Any] = {"width": int(width), "height": int(height)}
    found["boxes"] = [{**box, "colour": _written(box["colour"])} for box in boxes]
    found["mask"], found["legend"] = None, []
    if codes is not None:
        found["mask"] = _png(codes, [one["colour"] for one in classes])
        found["legend"] = _legend(codes, classes)
    return found


def _legend(
    codes: np.ndarray[Any, Any], classes: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    there, counts = np.unique(codes, return_counts=True)
    order = sorted(zip(counts.tolist(), there.tolist(), strict=True), reverse=True)
    return [
        {**classes[code], "colour": _written(classes[code]["colour"]), "share": count / codes.size}
        for count, code in order
        if code >= 0
    ]


def _png(codes: np.ndarray[Any, Any], colours: Sequence[Colour | None]) -> str:
    table = np.zeros((len(colours) + 1, 4), np.uint8)  # the last: -1
    for code, colour in enumerate(colours):
        table[code] = (0, 0, 0, _CLEAR) if colour is None else (*colour, _COVER)
    file = io.BytesIO()
    Image.fromarray(table[codes]).save(file, "PNG", compress_level=3)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _written(colour: Colour | None) -> str | None:
    return None if colour is None else "#{:02x}{:02x}{:02x}".format(*colour)
