"""The folder of latents as files: what is in it, and what is removed from it. No torch."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENDING = ".latents"
BACKBONES, ROWS = "backbones", "rows"
"""Keys in the head of a file."""

_MOST_HEAD = 100_000_000
"""Bytes of a head that safetensors reads; what says more is none."""


@dataclass(frozen=True)
class Entry:
    """A file of latents.

    Attributes:
        path: where it lies.
        size: in bytes.
        used: when it was last written or read, in seconds since 1970.
        rows: whose latents it holds; 0: it cannot be read.
        backbones: ids and checkpoints of what gave them; empty: it does not say.
    """

    path: Path
    size: int
    used: float
    rows: int = 0
    backbones: tuple[str, ...] = ()


def default_folder() -> Path:
    """``mm/latents`` in the user's folder of caches (``XDG_CACHE_HOME``, else ``~/.cache``)."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "mm" / "latents"


def entries(folder: Path) -> list[Entry]:
    """The files of latents in a folder, those longest unused first; others are left alone."""
    found = [_entry(path) for path in sorted(folder.glob(f"*{ENDING}"))]
    return sorted(found, key=lambda one: one.used)


def clear(
    folder: Path,
    wanted: Callable[[Entry], bool] = lambda entry: True,
    keep_bytes: float | None = None,
) -> list[Entry]:
    """Remove files of latents, those longest unused first; what was removed.

    Args:
        folder: whose. What is not of its making stays.
        wanted: which of them may go.
        keep_bytes: of those, what may stay; None: nothing.
    """
    asked = [one for one in entries(folder) if wanted(one)]
    left, gone = sum(one.size for one in asked), []
    for one in asked:
        if keep_bytes is not None and left <= keep_bytes:
            break
        one.path.unlink(missing_ok=True)
        left -= one.size
        gone.append(one)
    return gone


def by_backbones(found: Iterable[Entry]) -> dict[tuple[str, ...], list[Entry]]:
    """Files by what gave their latents."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for one in found:
        groups.setdefault(one.backbones, []).append(one)
    return dict(sorted(groups.items()))


def _entry(path: Path) -> Entry:
    known = path.stat()
    said = _said(path)
    try:
        rows, backbones = int(said[ROWS]), tuple(map(str, json.loads(said[BACKBONES])))
    except (KeyError, TypeError, ValueError):
        rows, backbones = 0, ()
    return Entry(path, known.st_size, known.st_mtime, rows, backbones)


def _said(path: Path) -> dict[str, Any]:
    """What the head of a file of safetensors says beside its tensors; empty: it is damaged."""
    with path.open("rb") as file:
        first = file.read(8)
        size = struct.unpack("<Q", first)[0] if len(first) == 8 else 0
        if not 0 < size <= _MOST_HEAD:
            return {}
        try:
            said = json.loads(file.read(size)).get("__metadata__")
        except (ValueError, AttributeError):
            return {}
    return said if isinstance(said, dict) else {}
