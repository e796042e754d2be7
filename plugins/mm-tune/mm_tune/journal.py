"""The file of the trials: whole lines, one search at a time, whatever ended the last one."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from mm_core.api import ConfigError, MMWarning

LOCK = "search.lock"


@contextmanager
def held(folder: Path | None) -> Iterator[None]:
    """A folder that no other search has meanwhile; the system lets go of it when a process ends.

    Args:
        folder: made where it is not there; None: there is nothing to hold.

    Raises:
        ConfigError: another search has it.
    """
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
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


def journal(log: Path) -> JournalStorage:
    """Open it, or begin it; what a process left there half-written is cut off.

    Args:
        log: file, in a folder that is :func:`held`.

    Raises:
        ConfigError: what cannot be read is not its end.
    """
    log = log.resolve()
    # Of a process that was killed: nobody else is here, and Optuna would wait for half a minute.
    log.with_name(log.name + ".lock").unlink(missing_ok=True)
    if log.exists():
        _cut(log)
    lock = JournalFileOpenLock(str(log))
    return JournalStorage(JournalFileBackend(str(log), lock_obj=lock))


def _cut(log: Path) -> None:
    """Leave whole lines: Optuna reads none where one is not."""
    lines = log.read_bytes().splitlines(keepends=True)
    bad = next(_unreadable(lines), None)
    if bad is None:
        return
    if bad < len(lines) - 1:
        raise ConfigError(
            f"line {bad + 1} of {len(lines)} in {str(log)!r} cannot be read",
            plugin="tune",
            value=str(log),
            remedy=f"begin in another folder, or keep the first {bad} lines of the file only",
        )
    with log.open("r+b") as file:
        file.truncate(sum(map(len, lines[:bad])))
    warnings.warn(
        f"the last line of {str(log)!r} was half-written and is cut off: what it said is lost",
        MMWarning,
        stacklevel=2,
    )


def _unreadable(lines: list[bytes]) -> Iterator[int]:
    for number, line in enumerate(lines):
        try:
            whole = line.endswith(b"\n") and isinstance(json.loads(line), dict)
        except ValueError:
            whole = False
        if not whole:
            yield number
