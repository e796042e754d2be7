"""Pictures with their masks: what is there beside what was drawn. Pillow and numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mm_segmentation.classes import VOID

RIGHT, EXTRA, MISSED = (46, 160, 67), (215, 38, 61), (31, 119, 220)
"""Of one thing to find: found, made up, missed."""

_STRENGTH = 0.55
_LEAST, _MOST = 320, 1200
"""Longer side of each panel, in pixels."""

_BAR = 24
_GAP = 8

Codes = np.ndarray[Any, Any]


def overlay(picture: Image.Image, codes: Codes, palette: Sequence[tuple[int, int, int]]) -> Codes:
    """uint8 [H, W, 3]: the picture under its classes; what has none, or the colour black, is plain.

    Args:
        picture: RGB.
        codes: [H, W], -1 where nothing is said.
        palette: a colour of each class.
    """
    pixels = np.asarray(picture.convert("RGB"), np.float32)
    colours = np.array([*palette, (0, 0, 0)], np.float32)[codes]  # -1: the last
    there = (colours.sum(axis=2, keepdims=True) > 0) * _STRENGTH
    return np.asarray(pixels * (1 - there) + colours * there).astype(np.uint8)


def compared(picture: Image.Image, true: Codes | None, said: Codes) -> Codes:
    """uint8 [H, W, 3]: of one thing to find what is right, made up (red), missed (blue)."""
    if true is None:
        return overlay(picture, said, [(0, 0, 0), RIGHT])
    kinds = np.zeros(said.shape, np.int64)
    kinds[(said == 1) & (true == 1)] = 1
    kinds[(said == 1) & (true == 0)] = 2
    kinds[(said != 1) & (true == 1)] = 3
    kinds[true == VOID] = VOID
    return overlay(picture, kinds, [(0, 0, 0), RIGHT, EXTRA, MISSED])


def sheet(
    picture: Image.Image,
    true: Codes | None,
    said: Codes,
    palette: Sequence[tuple[int, int, int]],
    names: Sequence[str],
    binary: bool,
) -> Image.Image:
    """The picture, the truth where it is known, what was drawn; below a line that names colours."""
    panels = [np.asarray(picture.convert("RGB"))]
    if true is not None:
        panels.append(overlay(picture, true, [(0, 0, 0), RIGHT] if binary else palette))
    panels.append(compared(picture, true, said) if binary else overlay(picture, said, palette))
    longest = max(picture.size)
    factor = min(max(1.0, _LEAST / longest), _MOST / longest)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    images = [Image.fromarray(panel).resize(size) for panel in panels]
    width = len(images) * size[0] + (len(images) - 1) * _GAP
    whole = Image.new("RGB", (width, size[1] + _BAR), "white")
    for place, image in enumerate(images):
        whole.paste(image, (place * (size[0] + _GAP), 0))
    _legend(whole, size[1], _named(true, said, palette, names, binary))
    return whole


def _named(
    true: Codes | None,
    said: Codes,
    palette: Sequence[tuple[int, int, int]],
    names: Sequence[str],
    binary: bool,
) -> list[tuple[tuple[int, int, int], str]]:
    if binary:
        words = [(RIGHT, names[1])] if true is None else [(RIGHT, "right")]
        return words if true is None else [*words, (EXTRA, "nothing there"), (MISSED, "missed")]
    there = set(np.unique(said).tolist()) | set(() if true is None else np.unique(true).tolist())
    return [(palette[code], names[code]) for code in sorted(there - {VOID})]


def _legend(
    whole: Image.Image, top: int, words: Sequence[tuple[tuple[int, int, int], str]]
) -> None:
    draw = ImageDraw.Draw(whole)
    font = ImageFont.load_default(size=13)
    x = 6
    for colour, word in words:
        wide = 20 + int(draw.textlength(word, font=font)) + 12
        if x + wide > whole.width:
            draw.text((x, top + 4), "...", fill="black", font=font)
            break
        draw.rectangle((x, top + 6, x + 12, top + 18), fill=colour, outline="black")
        draw.text((x + 18, top + 4), word, fill="black", font=font)
        x += wide
