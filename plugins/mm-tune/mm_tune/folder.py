"""The folder that a search is written down in."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mm_core.api import ConfigError


def check_writable(folder: Path) -> None:
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
