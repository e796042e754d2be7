"""The folder that a search is written down in: by one search at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mm_core.api import ConfigError

LOCK = "search.lock"


@contextmanager
def held(folder: Path | None) -> Iterator[None]:
    """A folder that no other search has meanwhile; the system lets go of it when a process ends.

    Args:
        folder: made where it is not there; None: there is nothing to hold.

    Raises:
        ConfigError: it is a file, nothing can be written there, or another search has it.
    """
    if folder is None:
        yield
        return
    _check_writable(folder)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConfigError(
            f"another search is at work in {str(folder)!r}",
            plugin="tune",
            value=str(folder),
            remedy="wait for it, or give this one another folder",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _check_writable(folder: Path) -> None:
    """Make it, and try, before a search that would end in it.

    Raises:
        ConfigError: it is a file, or nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        why = "it is a file" if folder.is_file() else error.strerror or error
        raise ConfigError(
            f"no search can be written into {str(folder)!r}: {why}",
            plugin="tune",
            value=str(folder),
            remedy="name a folder that you may write to, or one that is not there yet: --out tuned",
        ) from error
