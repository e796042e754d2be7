"""What is wrong with masks, before anything is trained. Pillow and numpy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pandas as pd
from mm_image.api import UnreadableImageError, one_image, size_and_turn

from mm_core.api import DataError
from mm_core.api.processors import Table
from mm_segmentation.classes import MOST, TOO_MANY, MaskError, learned, shown
from mm_segmentation.configs import SegmentationConfig
from mm_segmentation.masks import MaskCell, find, size, values_of

SHOWN = 64
"""Values that are counted in the report, the most common."""


def checked(table: Table, image: str = "image", label: str = "mask") -> dict[str, Any]:
    """Counts of values, and what is wrong, by row.

    Args:
        table: with pictures and masks.
        image: column of the pictures.
        label: column of the masks.

    Returns:
        ``pictures``, ``values`` (value -> masks that have it), ``told`` (what a fit would say of
        them where no setting says what they mean; "": nothing), ``wrong`` ({"row", "what"} each).

    Raises:
        DataError: a column is not there.
    """
    for name in (image, label):
        if name not in table.frame:
            raise DataError(
                f"there is no column {name!r}",
                column=name,
                remedy=f"name it: --image or --label; columns: {', '.join(table.frame.columns)}",
            )
    values: Counter[int] = Counter()
    wrong: list[dict[str, Any]] = []
    for row, (picture, mask) in enumerate(zip(table.frame[image], table.frame[label], strict=True)):
        try:
            if pd.api.types.is_scalar(mask) and pd.isna(mask):
                raise MaskError("is missing")
            source, runs = find(mask, table.folder, label)
            cell = MaskCell(row, label, source, runs)
            there = values_of(cell)
            if len(there) > MOST:
                raise MaskError(f"has {len(there)} values: {TOO_MANY[0]} -> {TOO_MANY[1]}")
            values.update(there)
            found = one_image(picture, table.folder, image)
            if found is None:
                raise UnreadableImageError("is missing")
            true, _ = size_and_turn(found)
            if size(cell) != true:
                raise MaskError(
                    f"is {size(cell)[0]} x {size(cell)[1]}, its picture {true[0]} x {true[1]}"
                )
        except MaskError as error:
            wrong.append({"row": row, "what": f"the mask {error}"})
        except UnreadableImageError as error:
            wrong.append({"row": row, "what": f"the picture {error}"})
    common = values.most_common(SHOWN)
    return {
        "pictures": len(table),
        "values": {shown(value): count for value, count in sorted(common)},
        "more_values": max(0, len(values) - SHOWN),
        "told": _told(values) if values else "",
        "wrong": wrong,
    }


def _told(values: Iterable[int]) -> str:
    """What is told of the values of all masks together."""
    try:
        return learned(values, SegmentationConfig())[1]
    except MaskError as error:
        return f"the masks {error} -> {error.remedy}"
