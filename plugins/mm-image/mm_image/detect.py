"""Does a column hold images? Light: no imaging library, no torch."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from mm_core.api import ColumnSample, Detection
from mm_image.cells import base64_body, split_cell
from mm_image.signatures import HEAD_SIZE, image_format, what_else

_ENDING = r"\.(jpe?g|jfif|png|gif|bmp|webp|tiff?|p[bgpn]m|jp2|avif|hei[cf])"
_EXTENSION = re.compile(_ENDING + "$", re.IGNORECASE)
_ADDRESS_OF_IMAGE = re.compile(rf"[a-z][a-z0-9+.-]+://.*{_ENDING}([?#].*)?$", re.IGNORECASE)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_PATH_LIMIT = 4096
_MOST = 0.5
"""Share of the values that must be images; the rest shows as bad cells later, by row."""


def detect_images(sample: ColumnSample) -> Detection | None:
    """Claim columns of image paths, bytes, base64 or arrays.

    Score 1.0 where the content proves it; 0.8 where only the names of the files say it and the
    files are missing or no pictures, so that the error names them; 0.0 for addresses on the web.
    """
    if sample.dtype in ("number", "boolean", "datetime"):
        return None
    parts = [part for value in sample.values for part in split_cell(value, sample.folder)]
    if not parts:
        return None
    found = Counter(_form(part, sample) for part in parts)
    for form, describe in _REASONS.items():
        if found[form] > _MOST * len(parts):
            kind, score, text = describe
            return Detection(kind, score, f"{found[form]} of {len(parts)} values {text}")
    named = found["file"] + found["name"] + found["other"]
    if named > _MOST * len(parts):
        text = f"{named} of {len(parts)} values are names of image files"
        return Detection("path", 0.8, f"{text}, {_state_of(parts, found, sample)}")
    if found["address"] + found["link"] > _MOST * len(parts):
        return Detection("path", 0.0, _told_of_addresses(found, len(parts)))
    return None


def _told_of_addresses(found: Counter[str], n: int) -> str:
    """Names alone do not say of all addresses whether there are pictures."""
    named, all_of_them = found["address"], found["address"] + found["link"]
    if named > _MOST * n:
        start = f"{named} of {n} values are addresses of pictures on the web"
    else:
        start = f"{all_of_them} of {n} values are addresses on the web; if of pictures"
    return f"{start}: download them, and give the paths of the files"


def _state_of(parts: list[Any], found: Counter[str], sample: ColumnSample) -> str:
    """How many of the files exist, and what they are where they are no pictures."""
    there = f"{found['file'] + found['other']} of them exist"
    if not found["other"]:
        return there
    others = (part for part in parts if _form(part, sample) == "other")
    what = Counter(what_else(sample.peek(str(part), HEAD_SIZE) or b"") for part in others)
    return f"{there}; {what.total()} are {what.most_common(1)[0][0]}"


_REASONS: dict[str, tuple[str, float, str]] = {
    "file": ("path", 1.0, "name files that begin like images"),
    "bytes": ("bytes", 1.0, "are bytes that begin like an image file"),
    "base64": ("base64", 1.0, "are base64 of an image file"),
    "pixels": ("bytes", 1.0, "are images in memory"),
    "name": ("path", 0.8, "end like image files, but there are no such files"),
}


def _form(part: Any, sample: ColumnSample) -> str:
    """A key of ``_REASONS``; ``"other"``: no picture, named like one; ``"address"``: of a picture;
    ``"link"``: any other address; or ``""``.
    """
    if isinstance(part, bytes):
        return "bytes" if image_format(part[:HEAD_SIZE]) else ""
    if _in_memory(part):
        return "pixels"
    text = str(part)
    if base64_body(text) is not None:
        return "base64"
    if len(text) > _PATH_LIMIT:
        return ""
    if _ADDRESS.match(text):
        return "address" if _ADDRESS_OF_IMAGE.match(text) else "link"
    head = sample.peek(text, HEAD_SIZE)
    if head is not None and image_format(head):
        return "file"
    if not _EXTENSION.search(text):
        return ""
    if head is None:
        return "name"
    return "other" if what_else(head) else ""


def _in_memory(part: Any) -> bool:
    """A Pillow image, or an array of uint8 [H, W], [H, W, C]."""
    if type(part).__module__.startswith("PIL."):
        return True
    return str(getattr(part, "dtype", "")) == "uint8" and getattr(part, "ndim", 0) in (2, 3)
