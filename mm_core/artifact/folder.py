"""Where a model may be saved."""

from __future__ import annotations

import os
from pathlib import Path

from mm_core.api.errors import ArtifactError
from mm_core.artifact.manifest import FILE, UNFINISHED


def check_folder(folder: Path) -> None:
    """Refuse a place that cannot be written, or holds something else than a saved model.

    Raises:
        ArtifactError: a file, a folder with other things in it, or no right to write there.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactError(
            f"{str(folder.parent)!r} cannot be made: {error}",
            value=str(folder),
            remedy="give another folder",
        ) from error
    if not os.access(folder.parent, os.W_OK):
        raise ArtifactError(
            f"{str(folder.parent)!r} cannot be written",
            value=str(folder),
            remedy="give another folder",
        )
    if folder.is_dir():
        taken = any(found.name != UNFINISHED for found in folder.iterdir())
    else:
        taken = folder.exists()
    if taken and not (folder / FILE).is_file():
        raise ArtifactError(
            f"{str(folder)!r} is not empty and holds no saved model",
            value=str(folder),
            remedy="give an empty folder or a new name",
        )
