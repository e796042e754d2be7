"""What a table cell says about images, before any of them is opened. Light: standard library only.

A cell holds one image or several: a path, bytes, base64 (with or without ``data:image/...``), an
array [H, W, C] or a Pillow image, a list of these (or one of texts written as JSON, or as Python or
numpy write it into a CSV), or strings joined by ``;``.
Which it is, is decided for each cell, so that a model trained on paths can be given bytes.
"""

from __future__ import annotations

import ast
import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mm_image.signatures import image_format

ImageKind = Literal["path", "bytes", "base64", "pixels"]

_SEPARATOR = re.compile(r";(?!base64,)")  # the ';' of 'data:image/png;base64,...' joins nothing
_DATA_URI = re.compile(r"data:image/[\w.+-]+;base64,", re.IGNORECASE)
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_LIST = re.compile(rf"\[(?:{_QUOTED.pattern})(?:(?:,\s*|\s+)(?:{_QUOTED.pattern}))*\]")
_BASE64_HEAD = 44  # characters that hold HEAD_SIZE bytes, whole groups of four
_PREVIEW = 120


@dataclass(frozen=True, slots=True, eq=False)
class ImageCell:
    """Where one image is to be read from.

    Attributes:
        kind: ``"path"`` (absolute), ``"bytes"``, ``"base64"`` (without ``data:``), or ``"pixels"``
            (a Pillow image or an array).
        value: of that kind.
        column: the column it stands in.
        shown: the value as an error message shows it.
    """

    kind: ImageKind
    value: Any
    column: str
    shown: str


def preview(value: Any) -> str:
    """Short text that tells the value of a cell, at most about 120 characters."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{len(value)} bytes"
    if not isinstance(value, (str, Path)):
        return f"a {type(value).__name__}"
    text = str(value)
    return text if len(text) <= _PREVIEW else f"{text[:_PREVIEW]}... ({len(text)} characters)"


def split_cell(value: Any, folder: Path) -> list[Any]:
    """The parts of a cell, one for each image; empty parts are left out.

    A string is cut at ``;`` unless the whole of it names a file.
    """
    if isinstance(value, str):
        text = value.strip()
        if text.lower().startswith("file://"):
            return [url2pathname(urlsplit(text).path)]
        if text.startswith("[") and not _is_file(folder / text):
            listed = _listed(text)
            if listed is not None:
                return [part for item in listed for part in split_cell(item, folder)]
        if ";" not in value or _is_file(folder / text):
            return [text] if text else []
        return [part.strip() for part in _SEPARATOR.split(value) if part.strip()]
    if isinstance(value, (list, tuple)):
        return [part for item in value for part in split_cell(item, folder)]
    if isinstance(value, Mapping):  # Hugging Face datasets: {"bytes": ..., "path": ...}
        return split_cell(value.get("bytes") or value.get("path"), folder)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return [bytes(value)] if len(value) else []
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return [] if missing else [value]


def base64_body(text: str) -> str | None:
    """The base64 part of ``text`` if it decodes to the beginning of an image, else None."""
    uri = _DATA_URI.match(text)
    body = text[uri.end() :] if uri else text
    head = "".join(body[: 2 * _BASE64_HEAD].split())[:_BASE64_HEAD]  # MIME breaks lines
    try:
        start = base64.b64decode(head[: len(head) // 4 * 4], validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        return None
    return body if uri or image_format(start) else None


def _listed(text: str) -> list[str] | None:
    """The texts of a list as JSON, Python or numpy write it; None: it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return _written_out(text)
    are_texts = isinstance(found, list) and all(isinstance(one, str) for one in found)
    return found if are_texts else None


def _written_out(text: str) -> list[str] | None:
    """The texts of ``['a', 'b']`` (Python), ``['a' 'b']`` (numpy, which breaks lines)."""
    if not _LIST.fullmatch(text):
        return None
    try:
        return [ast.literal_eval(one) for one in _QUOTED.findall(text)]
    except (ValueError, SyntaxError):  # a backslash that begins no sign
        return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or a NUL byte in the name
        return False
