"""Cells in a form that is the same in every process, so that rows can be told from other rows."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

PLAIN = frozenset({str, int, float, bool, type(None), type(pd.NA), type(pd.NaT), pd.Timestamp})
"""Types of which ``repr`` tells everything."""

_BROKEN_PICTURE = (
    ArithmeticError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What Pillow raises of a file that is torn."""


def comparable(column: pd.Series) -> pd.Series:
    """The column with cells that pandas can hash; other cells give another column.

    Numbers, dates and texts stay as they are. In a column of objects, where a list cannot be
    hashed, each cell is its ``repr``, or :func:`canonical` where ``repr`` does not suffice.
    """
    dtype = column.dtype
    if dtype.kind != "O" or isinstance(dtype, pd.StringDtype | pd.CategoricalDtype):
        return column
    cells = column.astype(object)  # pyarrow's lists too
    return cells.map(repr if set(map(type, cells)) <= PLAIN else canonical)


def canonical(cell: Any) -> bytes:
    """sha256 of a cell: of all its values, where ``repr`` abbreviates; of sets in any order.

    Anything but arrays, pictures, bytes and what contains them is taken by its ``repr``.
    """
    digest = hashlib.sha256(f"{type(cell).__name__}\0".encode())
    for part in _parts(cell):
        digest.update(part)
    return digest.digest()


def _parts(cell: Any) -> Iterable[bytes]:
    """What makes a cell out; parts of parts have one length and cannot run into each other."""
    if isinstance(cell, bytes | bytearray | memoryview):
        return [bytes(cell)]
    if isinstance(cell, np.ndarray):
        return _array(cell)
    if isinstance(cell, set | frozenset):  # their order differs from process to process
        return sorted(map(canonical, cell))
    if isinstance(cell, list | tuple):
        return [_repr(cell)] if set(map(type, cell)) <= PLAIN else map(canonical, cell)
    if isinstance(cell, Mapping):
        return [canonical(one) for pair in cell.items() for one in pair]
    if hasattr(type(cell), "getpalette"):  # Pillow's, which the core does without
        return _picture(cell)
    return [_repr(cell)]


def _repr(cell: Any) -> bytes:
    return repr(cell).encode(errors="backslashreplace")


def _array(array: np.ndarray) -> list[bytes]:
    """Its dtype, shape and values."""
    head = f"{array.dtype!r}{array.shape}\0".encode()
    if array.dtype.hasobject:  # its bytes are addresses
        return [head, *map(canonical, array.ravel().tolist())]
    return [head, array.tobytes()]


def _picture(image: Any) -> list[bytes]:
    """What a Pillow image shows: its pixels, and how they are to be read."""
    try:
        pixels = image.tobytes()
    except _BROKEN_PICTURE:  # reading it for training will tell of it
        return [canonical((image.mode, image.size))]
    read = [image.info.get(name) for name in ("transparency", "exif")]
    return [canonical((image.mode, image.size, image.getpalette(), *read)), pixels]
