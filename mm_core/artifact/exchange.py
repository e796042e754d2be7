"""Put a new folder in the place of an old one."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

_HERE = -100
"""``AT_FDCWD``: paths are relative to the working directory."""

_SWAP = 2
"""``RENAME_EXCHANGE`` of Linux, ``RENAME_SWAP`` of macOS."""

_NOT_HERE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
"""The system, or this file system, cannot swap two names."""


def put_in_place(fresh: Path, folder: Path, aside: Path) -> Path | None:
    """Rename ``fresh`` to ``folder``; what stood there is left beside it.

    Where the system can swap two names at once, ``folder`` is there at every moment, whenever the
    process is killed. Elsewhere it is missing for an instant, and stands at ``aside`` meanwhile.

    Args:
        fresh: the new folder.
        folder: where it belongs; may be there.
        aside: a free name on the same file system.

    Returns:
        Where the old folder stands now; None: there was none.

    Raises:
        OSError: it could not be done, and the old folder is where it was.
    """
    if not folder.exists():
        fresh.rename(folder)
        return None
    if not folder.is_dir():  # two names can be swapped whatever they are
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if _swapped(fresh, folder):
        return fresh
    folder.rename(aside)
    try:
        fresh.rename(folder)
    except OSError:
        aside.rename(folder)
        raise
    return aside


def _swapped(one: Path, other: Path) -> bool:
    """Whether the two have changed places; False: this system cannot do it."""
    if sys.platform not in ("linux", "darwin"):
        return False
    names = os.fsencode(one), os.fsencode(other)
    system = ctypes.CDLL(None, use_errno=True)
    if hasattr(system, "renameat2"):
        failed = system.renameat2(_HERE, names[0], _HERE, names[1], _SWAP)
    elif hasattr(system, "renamex_np"):
        failed = system.renamex_np(*names, _SWAP)
    else:
        return False
    reason = ctypes.get_errno() if failed else 0
    if reason and reason not in _NOT_HERE:
        raise OSError(reason, os.strerror(reason), str(other))
    return not failed
