"""Where a model may be saved."""

from __future__ import annotations

from pathlib import Path

from mm_core.api.errors import ArtifactError
from mm_core.artifact.manifest import FILE


def check_folder(folder: Path) -> None:
    """Refuse a place that holds something else than a saved model.

    Raises:
        ArtifactError: a file, or a folder with other things in it.
    """
    taken = folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
    if taken and not (folder / FILE).is_file():
        raise ArtifactError(
            f"{str(folder)!r} is not empty and holds no saved model",
            value=str(folder),
            remedy="give an empty folder or a new name",
        )
