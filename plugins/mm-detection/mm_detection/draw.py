"""Pictures with their boxes and masks: what is there beside what was found. Pillow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mm_detection.boxes import Box
from mm_detection.matching import Said, matched
from mm_detection.outlines import coded, overlaps, turned

_COLOURS = {
    "right": (46, 160, 67),
    "double": (212, 167, 0),
    "class": (240, 110, 20),
    "extra": (215, 38, 61),
    "missed": (215, 38, 61),
    "ignored": (140, 140, 140),
    "found": (31, 119, 220),
}
_WORDS = {
    "right": "right",
    "class": "wrong class",
    "double": "double",
    "extra": "nothing there",
    "missed": "missed",
}
_LEAST = 320
"""Shorter side of a drawn picture at least, in pixels: names of classes must be read."""

_MOST = 1600
_BAR = 26
_VEIL = 110
"""Of 255, how much of a mask's colour lies over the picture."""

Mask = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Areas:
    """Masks of a picture, uint8 [H, W] each.

    Attributes:
        true: one for each true box.
        said: one for each that was found.
    """

    true: Sequence[Mask]
    said: Sequence[Mask]

    def shown(self, turn: int) -> Areas:
        """Those of a stored picture, as they lie when it is shown upright."""
        return Areas(*([turned(one, turn) for one in masks] for masks in (self.true, self.said)))

    def shared(self) -> np.ndarray[Any, Any]:
        """Overlaps [said, true]."""
        said, true = ([coded(one) for one in masks] for masks in (self.said, self.true))
        return overlaps(said, true)


def side_by_side(
    picture: Image.Image,
    true: Sequence[Box] | None,
    said: Sequence[Said],
    areas: Areas | None = None,
) -> Image.Image:
    """What is there at the left, what was found at the right, marked, and a line of counts.

    Args:
        picture: RGB.
        true: boxes in its pixels; None: not known, and only what was found is drawn.
        said: answers, ``[x1, y1, x2, y2, class, score]``, the best first.
        areas: masks of both, which tell what is right then; None: boxes do.
    """
    factor = _factor(picture)
    size = (round(picture.width * factor), round(picture.height * factor))
    large = picture.resize(size, Image.Resampling.BILINEAR)
    true_masks, said_masks = ((), ()) if areas is None else (areas.true, areas.said)
    if true is None:
        marks = [(one, "found") for one in said]
        panel = _drawn(large, factor, marks, said_masks)
        return _with_bar([panel], [("found", f"{len(said)} found")])
    result = matched(true, said, shared=None if areas is None else areas.shared())
    there = [([*box.corners, box.name], what) for box, what in zip(true, result.true, strict=True)]
    panels = [
        _drawn(large, factor, there, true_masks),
        _drawn(large, factor, list(zip(said, result.found, strict=True)), said_masks),
    ]
    counts = Counter([*result.found, *(one for one in result.true if one == "missed")])
    words = [(what, f"{counts[what]} {word}") for what, word in _WORDS.items()]
    return _with_bar(panels, words)


def _factor(picture: Image.Image) -> float:
    wanted = max(1.0, _LEAST / min(picture.size))
    return min(wanted, _MOST / max(picture.size))


def _drawn(
    picture: Image.Image,
    factor: float,
    boxes: Sequence[tuple[Said, str]],
    masks: Sequence[Mask] = (),
) -> Image.Image:
    """A copy with boxes over masks, the best on top; those missed are dashed."""
    panel = picture.copy()
    for mask, (_, what) in reversed(list(zip(masks, boxes, strict=bool(masks)))):
        veil = Image.fromarray(np.asarray(mask, np.uint8) * _VEIL).resize(panel.size)
        panel.paste(Image.new("RGB", panel.size, _COLOURS[what]), mask=veil)
    draw = ImageDraw.Draw(panel)
    font = ImageFont.load_default(13)
    for box, what in reversed(boxes):
        x1, y1, x2, y2 = (float(str(one)) * factor for one in box[:4])
        colour = _COLOURS[what]
        if what == "missed":
            _dashed(draw, (x1, y1, x2, y2), colour)
        else:
            draw.rectangle((x1, y1, x2, y2), outline=colour, width=3)
        score = f" {float(str(box[5])):.2f}" if len(box) > 5 else ""
        text = f"{box[4]}{score}"
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        x = min(max(x1, 0), max(panel.width - (right - left) - 6, 0))
        y = y1 - (bottom - top) - 6 if y1 >= bottom - top + 6 else y1
        draw.rectangle((x, y, x + right - left + 6, y + bottom - top + 6), fill=colour)
        draw.text((x + 3 - left, y + 3 - top), text, fill="white", font=font)
    return panel


def _dashed(
    draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], colour: tuple[int, int, int]
) -> None:
    x1, y1, x2, y2 = box
    for along in range(int(x1), int(x2), 12):
        for y in (y1, y2):
            draw.line((along, y, min(along + 7, x2), y), fill=colour, width=3)
    for along in range(int(y1), int(y2), 12):
        for x in (x1, x2):
            draw.line((x, along, x, min(along + 7, y2)), fill=colour, width=3)


def _with_bar(panels: Sequence[Image.Image], words: Sequence[tuple[str, str]]) -> Image.Image:
    """Panels side by side, and below them what the colours mean."""
    font = ImageFont.load_default(13)
    widths = [28 + round(font.getlength(text)) for _, text in words]
    width = max(sum(panel.width for panel in panels) + 8 * (len(panels) - 1), sum(widths))
    height = max(panel.height for panel in panels)
    sheet = Image.new("RGB", (width, height + _BAR), "white")
    x = 0
    for panel in panels:
        sheet.paste(panel, (x, 0))
        x += panel.width + 8
    draw = ImageDraw.Draw(sheet)
    x = 4
    for (what, text), wide in zip(words, widths, strict=True):
        draw.rectangle((x, height + 8, x + 10, height + 18), fill=_COLOURS[what])
        draw.text((x + 14, height + 5), text, fill="black", font=font)
        x += wide
    return sheet
