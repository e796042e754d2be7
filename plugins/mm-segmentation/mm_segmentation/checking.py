"""What is wrong with masks, before anything is trained. Pillow and numpy."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd
from mm_image.api import UnreadableImageError, find_image, size_and_turn, split_cell

from mm_core.api import DataError, LabelError
from mm_core.api.processors import Table
from mm_segmentation.classes import MaskError, shown
from mm_segmentation.masks import MaskCell, find, size

MOST = 64


def checked(table: Table, image: str = "image", label: str = "mask") -> dict[str, Any]:
    """Counts of values, and what is wrong, by row.

    Args:
        table: with pictures and masks.
        image: column of the pictures.
        label: column of the masks.

    Returns:
        ``pictures``, ``values`` (value -> masks that have it), ``wrong`` ({"row", "what"} each).

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
            values.update(cell.values())
            (part,) = split_cell(picture, table.folder)
            true, _ = size_and_turn(find_image(part, table.folder, image))
            if size(cell) != true:
                raise MaskError(
                    f"is {size(cell)[0]} x {size(cell)[1]}, its picture {true[0]} x {true[1]}"
                )
        except (MaskError, LabelError) as error:
            wrong.append({"row": row, "what": f"the mask {error}"})
        except (UnreadableImageError, ValueError) as error:
            wrong.append({"row": row, "what": f"the picture {error}"})
    common = values.most_common(MOST)
    return {
        "pictures": len(table),
        "values": {shown(value): count for value, count in sorted(common)},
        "more_values": max(0, len(values) - MOST),
        "wrong": wrong,
    }
