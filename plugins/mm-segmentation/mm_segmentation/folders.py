"""Pictures and masks in two folders, matched by name -> rows: columns ``image`` and ``mask``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mm_core.api import DataError, Table

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")

IMAGES = ("images", "image", "imgs", "img", "JPEGImages")
MASKS = ("masks", "mask", "gts", "gt", "SegmentationClass", "annotations", "labels")

_ADDED = ("_mask", "_gt", "_label", "_seg", "_segmentation", "_labelIds", "_L", "-mask", "_m")
"""What names of masks have more than those of their pictures."""

_LOOKED_AT = 20


def claimed(data: Any) -> bool:
    """A folder that has one of pictures and one of masks, both of them pictures. Light."""
    folder = _folder(data)
    if folder is None:
        return False
    parts = _named(folder)
    return parts is not None and all(_holds_pictures(part) for part in parts)


def read(data: Any) -> Table:
    """All pictures, by name, each with its mask.

    Raises:
        DataError: pictures without a mask, masks without a picture, or two for one.
    """
    import pandas as pd

    folder = _folder(data)
    assert folder is not None  # it was claimed
    parts = _named(folder)
    assert parts is not None
    images, masks = (_pictures(part) for part in parts)
    by_name: dict[str, list[Path]] = {}
    for path in masks:
        by_name.setdefault(_stem(path), []).append(path)
    lacking = [path.name for path in images if _stem(path, plain=True) not in by_name]
    names = {_stem(path, plain=True) for path in images}
    spare = [path.name for stem, paths in by_name.items() if stem not in names for path in paths]
    twice = [path.name for paths in by_name.values() if len(paths) > 1 for path in paths]
    for what, found in (
        ("picture(s) without a mask", lacking),
        ("mask(s) without a picture", spare),
        ("masks of one name", twice),
    ):
        if found:
            shown = ", ".join(found[:8]) + (", ..." if len(found) > 8 else "")
            raise DataError(
                f"{str(folder)!r} has {len(found)} {what}: {shown}",
                value=found[0],
                remedy="give them like names, or write a table: image,mask",
            )
    rows = [(str(one), str(by_name[_stem(one, plain=True)][0])) for one in images]
    relative = [tuple(os.path.relpath(path, folder) for path in row) for row in rows]
    return Table(pd.DataFrame(relative, columns=["image", "mask"]), folder)


def _folder(data: Any) -> Path | None:
    if not isinstance(data, str | os.PathLike):
        return None
    path = Path(data)
    return path if path.is_dir() else None


def _named(folder: Path) -> tuple[Path, Path] | None:
    there = {one: folder / one for one in (*IMAGES, *MASKS) if (folder / one).is_dir()}
    images = next((there[one] for one in IMAGES if one in there), None)
    masks = next((there[one] for one in MASKS if one in there), None)
    return None if images is None or masks is None else (images, masks)


def _holds_pictures(folder: Path) -> bool:
    names = [entry.name for entry, _ in zip(os.scandir(folder), range(_LOOKED_AT), strict=False)]
    return bool(names) and all(name.lower().endswith(PICTURES) for name in names)


def _pictures(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.suffix.lower() in PICTURES)


def _stem(path: Path, plain: bool = False) -> str:
    """Name without ending; of a mask also without what says that it is one."""
    stem = path.stem
    if plain:
        return stem
    return next((stem.removesuffix(one) for one in _ADDED if stem.endswith(one)), stem)
