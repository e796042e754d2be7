"""Which data is for which reader: a look at names and at the beginning of files. Light."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".heic", ".avif")

_ENDS = 2**16
"""Bytes at each end of a file in which its keys are looked for."""

_LOOKED_AT = 20
"""Files of a folder that are looked at to tell what it is."""


def coco(data: Any) -> bool:
    """A .json with the keys that COCO's files have; annotations may be lacking."""
    path = path_of(data)
    if path is None or path.suffix.lower() != ".json" or not path.is_file():
        return False
    text = _ends(path)
    return b'"images"' in text and any(
        key in text for key in (b'"annotations"', b'"categories"', b'"file_name"')
    )


def voc(data: Any) -> bool:
    """A folder with ``Annotations/*.xml``, or with .xml beside the pictures; or a list of such a
    folder, ``ImageSets/Main/train.txt``.
    """
    path = path_of(data)
    if path is None:
        return False
    if path.suffix == ".txt" and path.is_file():
        return voc_root(path) is not None
    return any(b"<annotation" in _head(one) for one in some(voc_labels(path), "*.xml"))


def voc_labels(folder: Path) -> Path:
    """Where a VOC folder has its labels."""
    named = folder / "Annotations"
    return named if named.is_dir() else folder


def voc_root(listed: Path) -> Path | None:
    """The VOC folder that a list of ``ImageSets`` belongs to; None: it is no such list."""
    for root in list(listed.parents)[:3]:
        if "ImageSets" in listed.parts and (root / "Annotations").is_dir():
            return root
    return None


def yolo(data: Any) -> bool:
    """A folder with ``images`` and ``labels``, a part of its ``images``, or its ``data.yaml``."""
    path = path_of(data)
    if path is None:
        return False
    if path.suffix in (".yaml", ".yml"):
        head = _head(path)
        return path.is_file() and b"names:" in head and b"train:" in head
    return yolo_labels(path) is not None


def yolo_labels(folder: Path) -> tuple[Path, Path] | None:
    """Folders of pictures and of labels that a folder means; None: it has no such."""
    if (folder / "images").is_dir() and (folder / "labels").is_dir():
        return folder / "images", folder / "labels"
    parts = list(folder.parts)
    for place in range(len(parts) - 1, -1, -1):
        if parts[place] == "images":
            labels = Path(*parts[:place], "labels", *parts[place + 1 :])
            return (folder, labels) if folder.is_dir() and labels.is_dir() else None
    return None


def labelme(data: Any) -> bool:
    """A .json of LabelMe, or a folder of them."""
    path = path_of(data)
    if path is None:
        return False
    files = [path] if path.suffix == ".json" and path.is_file() else some(path, "*.json")
    ends = (_ends(one) for one in files)
    return any(b'"shapes"' in text and b'"imagePath"' in text for text in ends)


def pictures(data: Any) -> bool:
    """A picture, a list of paths of pictures, or a folder that holds nothing but them."""
    if isinstance(data, list | tuple):
        return len(data) > 0 and all(_is_picture(path_of(one)) for one in data)
    path = path_of(data)
    if path is None or not path.is_dir():
        return _is_picture(path) and path is not None and path.is_file()
    inside = [one for one in islice(sorted(path.iterdir()), 10_000) if one.name[0] != "."]
    return len(inside) > 0 and all(_is_picture(one) and one.is_file() for one in inside)


def path_of(data: Any) -> Path | None:
    """A path, where the data is one that a file or folder could have."""
    if not isinstance(data, str | os.PathLike):
        return None
    text = os.fspath(data)
    if not isinstance(text, str) or "\0" in text or not text or len(text) > 4096:
        return None
    return Path(text)


def some(folder: Path, pattern: str) -> list[Path]:
    """A few files of a folder; none where there is no such folder."""
    try:
        return list(islice(_files(folder, pattern), _LOOKED_AT))
    except OSError:
        return []


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    return (one for one in folder.glob(pattern) if one.is_file()) if folder.is_dir() else iter(())


def _is_picture(path: Path | None) -> bool:
    return path is not None and path.suffix.lower() in PICTURES


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError:
        return b""


def _ends(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(_ENDS)
            file.seek(max(file.tell(), file.seek(0, 2) - _ENDS))
            return text + file.read()
    except OSError:
        return b""
