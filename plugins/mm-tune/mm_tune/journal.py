"""The file of the trials: whole lines, whatever ended the last search."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from mm_core.api import ConfigError, MMWarning


def journal(log: Path) -> JournalStorage:
    """Open it, or begin it; what a process left there half-written is cut off.

    Args:
        log: file, in a folder that is :func:`mm_tune.folder.held`.

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
