"""Where a model may be saved."""

from __future__ import annotations

import os
from pathlib import Path

from mm_core.api.errors import ArtifactError
from mm_core.artifact.manifest import FILE, FIT, UNFINISHED

ANOTHER = "name a folder below one that you may write to: path='...' (--out FOLDER)"


def check_folder(folder: Path) -> None:
    """Refuse a place that cannot be written, or holds neither a saved model nor a fit of one.

    So that a folder that was named by mistake stays as it is; saving itself loses nothing of what
    it finds (:func:`mm_core.artifact.carry.carry`).

    Raises:
        ArtifactError: a file, a folder with other things in it, or no right to write there.
    """
    parent = folder.resolve().parent  # where a link leads to
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactError(
            f"{str(parent)!r} cannot be made: {error}",
            value=str(folder),
            remedy=ANOTHER,
        ) from error
    if not os.access(parent, os.W_OK):
        raise ArtifactError(
            f"{str(parent)!r} cannot be written",
            value=str(folder),
            remedy=ANOTHER,
        )
    if folder.is_dir():
        taken = any(found.name != UNFINISHED for found in folder.iterdir())
    else:
        taken = folder.exists()
    # Beside the state of a fit that was cut off may lie what its loggers had written.
    if taken and not any((folder / name).is_file() for name in (FILE, f"{UNFINISHED}/{FIT}")):
        raise ArtifactError(
            f"{str(folder)!r} is not empty and holds no saved model",
            value=str(folder),
            remedy="give an empty folder or a new name: path='...' (--out FOLDER)",
        )
