"""What the values of masks mean: classes, their names and codes, and what is void. numpy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mm_segmentation.configs import SegmentationConfig
from mm_segmentation.sizes import strips

VOID = -1
"""Code of pixels of which nothing is said: they are neither learned nor scored."""

MOST = 1024
"""Classes at most: what has more values is a photograph or has a number for each thing."""

TOO_MANY = (
    "photographs, or a number for each thing",
    "give class numbers, as PNG: JPEG changes values; of grey masks task.grey_from=128 says what "
    "is in",
)
"""What those are that have more, and what to do."""

_NEAR_ZERO = 100
"""Numbers from this one below 0 may be meant as such; they are also those of dark blue."""

_UNSEEN = -2
_COMMON_VOID = 255


class MaskError(ValueError):
    """What is wrong with a mask, as a clause; ``remedy`` says what to do."""

    def __init__(self, what: str, remedy: str = "mend the mask, or leave the row out") -> None:
        super().__init__(what)
        self.remedy = remedy


@dataclass
class Classes:
    """Classes in the order of their codes.

    Attributes:
        values: in masks; a colour 0xRRGGBB is -1 - that, so that it is no index.
        names: of each.
        binary: whether there is one thing to find, the second of two classes.
        void: value of pixels that are not looked at; None: there are none.
        grey_from: grey values from this one on are the second class; None: values are exact.
    """

    values: list[int]
    names: list[str]
    binary: bool
    void: int | None = None
    grey_from: int | None = None

    @property
    def coloured(self) -> bool:
        """Whether masks are pictures in colours."""
        return any(value < 0 for value in self.values)

    def codes(self, raw: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """int16 [H, W] of a mask.

        Args:
            raw: whole numbers [H, W], or uint8 [H, W, 3].

        Raises:
            MaskError: it has a value that no class has.
        """
        if self.grey_from is not None and raw.ndim == 2:
            codes = (raw >= self.grey_from).astype(np.int16)
            if self.void is not None:
                codes[raw == self.void] = VOID
            return codes
        codes = np.empty(raw.shape[:2], np.int16)
        for rows in strips(raw):
            codes[rows] = self._codes(raw[rows])
        return codes

    def _codes(self, raw: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        flat = packed(raw) if raw.ndim == 3 else raw
        if raw.ndim == 2 and self.coloured:  # a grey picture in a set of coloured ones
            flat = -1 - (flat.astype(np.int64) * 0x010101)
        if flat.dtype == np.uint8:
            codes = self._table[flat]
        else:
            places = np.clip(np.searchsorted(self._sorted, flat), 0, len(self._sorted) - 1)
            codes = np.where(self._sorted[places] == flat, self._order[places], _UNSEEN)
        if codes.min() == _UNSEEN:
            strange = int(flat.ravel()[int(np.argmin(codes))])
            known = ", ".join(map(shown, self.values[:20]))
            raise MaskError(
                f"has the value {shown(strange)}, which no class has",
                f"values of classes: {known}; task.ignore={shown(strange)} leaves such pixels out",
            )
        return codes

    def answer(self, codes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Codes as masks have them: values; of colours codes, for a picture has one number a pixel.

        uint8 where they fit into it.
        """
        if self.coloured:
            return codes.astype(np.uint8 if len(self.values) <= 256 else np.int32)
        large = max(self.values) > 255
        return np.array(self.values, np.int32 if large else np.uint8)[codes]

    @property
    def palette(self) -> list[tuple[int, int, int]]:
        """A colour of each class: its own where masks are coloured."""
        return [
            _rgb(-1 - value) if value < 0 else _spread(code)
            for code, value in enumerate(self.values)
        ]

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return dict(vars(self))

    @property
    def _known(self) -> list[tuple[int, int]]:
        pairs = [(value, code) for code, value in enumerate(self.values)]
        return pairs if self.void is None else [*pairs, (self.void, VOID)]

    @property
    def _table(self) -> np.ndarray[Any, Any]:
        table = np.full(256, _UNSEEN, np.int16)
        for value, code in self._known:
            if 0 <= value < 256:
                table[value] = code
        return table

    @property
    def _sorted(self) -> np.ndarray[Any, Any]:
        return np.array(sorted(value for value, _ in self._known), np.int64)

    @property
    def _order(self) -> np.ndarray[Any, Any]:
        return np.array([code for _, code in sorted(self._known)], np.int64)


def learned(found: Iterable[int], config: SegmentationConfig) -> tuple[Classes, str]:
    """The classes of masks with these values, and what is to be told of how they were read.

    Raises:
        MaskError: these are no masks, or the settings do not fit them.
    """
    values = sorted(set(found), key=lambda one: (one < 0, -1 - one if one < 0 else one))
    void, told = _void(values, config)
    values = [value for value in values if value != void]
    if config.grey_from is not None:
        return Classes([0, 255], _names(config, [0, 255]), True, void, config.grey_from), told
    given = config.classes if isinstance(config.classes, Mapping) else None
    if given is not None:
        known = [_value(one) for one in given.values()]
        _refuse_unnamed(set(values) - set(known))
        values = known
    elif isinstance(config.classes, tuple) and values == [
        one for one in values if 0 <= one < len(config.classes)
    ]:
        values = list(range(len(config.classes)))  # indices: a class may be in no training row
    if any(value < 0 for value in values) and given is None:
        colours = ", ".join(shown(value) for value in values[:8])
        below = [value for value in values if -_NEAR_ZERO <= value < 0]
        raise MaskError(
            f"are coloured, {len(values)} colours: {colours}",
            "say what they mean: task.classes={name: [r, g, b], ...}"
            + (f"; or, of numbers below 0: task.ignore={below[0]}" if len(below) == 1 else ""),
        )
    if len(values) > MOST:
        raise MaskError(
            f"have {len(values)} values: {TOO_MANY[0]}",
            TOO_MANY[1],
        )
    if len(values) < 2:
        raise MaskError(
            f"have only the value {', '.join(map(shown, values))}: there is nothing to tell apart",
            "give masks with two classes or more",
        )
    names = list(given) if given is not None else _names(config, values)
    binary = config.kind == "binary" or (
        config.kind == "auto" and len(values) == 2 and (values[0] == 0 or given is not None)
    )
    if binary and len(values) != 2:
        raise MaskError(
            f"have {len(values)} values, {', '.join(map(shown, values[:8]))}: not two",
            "task.kind=multiclass; of grey masks task.grey_from=128 says what is in",
        )
    return Classes(values, names, binary, void), told


def packed(raw: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """int64 [H, W], -1 - 0xRRGGBB, of uint8 [H, W, 3]."""
    wide = raw.astype(np.int64)
    return -1 - ((wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2])


def shown(value: int) -> str:
    """A value as users write it."""
    return str(list(_rgb(-1 - value))) if value < 0 else str(value)


def _void(values: list[int], config: SegmentationConfig) -> tuple[int | None, str]:
    """The value that is left out; 255 is, where it stands above indices that begin with 0."""
    if config.ignore != "auto":
        return (None if config.ignore is None else _value(config.ignore)), ""
    others = [value for value in values if value != _COMMON_VOID]
    named = config.classes is not None or config.grey_from is not None
    if _COMMON_VOID not in values or named or len(others) < 2:
        return None, ""
    if others[0] != 0 or others[-1] >= _COMMON_VOID - 1 or others[-1] > 4 * len(others):
        return None, ""
    told = (
        f"the value 255 above {len(others)} others is read as void: such pixels are neither "
        "learned nor scored; task.ignore=null makes it a class, task.ignore=255 keeps this quiet"
    )
    return _COMMON_VOID, told


def _names(config: SegmentationConfig, values: list[int]) -> list[str]:
    given = config.classes
    if given is None:
        return [shown(value) for value in values]
    if len(given) != len(values):
        raise MaskError(
            f"have {len(values)} classes ({', '.join(map(shown, values[:12]))}), and "
            f"{len(given)} names are given",
            "give one for each, or say which is which: task.classes={name: value, ...}",
        )
    return list(given)


def _refuse_unnamed(values: set[int]) -> None:
    if values:
        first = ", ".join(shown(value) for value in sorted(values)[:8])
        raise MaskError(
            f"have values that task.classes does not name: {first}",
            "name them, or leave such pixels out: task.ignore=...",
        )


def _value(given: Any) -> int:
    """Of a number, or of a colour's three."""
    if isinstance(given, list | tuple):
        red, green, blue = (int(one) for one in given)
        return -1 - (red << 16 | green << 8 | blue)
    return int(given)


def _rgb(colour: int) -> tuple[int, int, int]:
    return colour >> 16 & 255, colour >> 8 & 255, colour & 255


def _spread(code: int) -> tuple[int, int, int]:
    """Colours far from one another, black the first: PASCAL VOC's."""
    found = [0, 0, 0]
    for bit in range(7, -1, -1):
        for channel in range(3):
            found[channel] |= (code >> channel & 1) << bit
        code >>= 3
    return found[0], found[1], found[2]
