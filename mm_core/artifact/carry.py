"""What lies in a model's folder and is not the model's: it stays, whatever model is saved there."""

from __future__ import annotations

import itertools
import json
import os
import warnings
from collections.abc import Collection
from pathlib import Path

from mm_core.api.errors import ArtifactError, MMWarning
from mm_core.artifact.manifest import ENGINE, FILE, UNFINISHED


def carry(old: Path, folder: Path) -> None:
    """Move what is not the old model's, nor of an unfinished fit, into the new folder.

    A name that the new model needs is the model's, or it would not load; what had that name is
    called ``name.old`` then, with a warning. So it is where a logger writes a ``metrics.csv``
    before the first model is saved, and where a newer version writes files that older ones did not.

    Args:
        old: the folder that was replaced, on the file system of the new one.
        folder: the new one.

    Raises:
        ArtifactError: something could not be moved; it is left where it is.
    """
    try:
        _move(old, folder, _own(old), old)
    except OSError as error:
        raise ArtifactError(
            f"the model is saved in {str(folder)!r}, but what else was in the folder could not all "
            f"be moved to it: {error}",
            value=str(old),
            remedy=f"what is missing there lies in {str(old)!r}: move it yourself",
        ) from error


def _own(folder: Path) -> frozenset[str]:
    """Paths of what is the model's; where the manifest cannot be read, nothing else is known to be.

    Read leniently: that of another version lists its files as well.
    """
    try:
        files = json.loads((folder / FILE).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, LookupError, TypeError):
        files = None
    return frozenset({FILE, UNFINISHED, *(files if isinstance(files, dict) else ())})


def _move(old: Path, folder: Path, own: Collection[str], root: Path) -> None:
    """Whole folders where nothing in them is the model's, old or new; else one by one."""
    for entry in sorted(old.iterdir()):
        name = entry.relative_to(root).as_posix()
        if name in own:
            continue
        target = folder / entry.name
        if name == ENGINE and _has_others(entry, own, root):
            target = _free(target)  # an engine reads its folder: nothing else may lie there
        shared = target.is_dir() or any(one.startswith(f"{name}/") for one in own)
        if shared and entry.is_dir() and not entry.is_symlink():
            _move(entry, target, own, root)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            entry.rename(_free(target))


def _has_others(place: Path, own: Collection[str], root: Path) -> bool:
    """Whether something in a folder is not the model's."""
    files = (path for path in place.rglob("*") if not path.is_dir() or path.is_symlink())
    return any(path.relative_to(root).as_posix() not in own for path in files)


def _free(target: Path) -> Path:
    """The path, or one beside it that nothing has."""
    if not os.path.lexists(target):
        return target
    endings = itertools.chain([".old"], (f".old-{number}" for number in itertools.count(2)))
    names = (target.with_name(target.name + ending) for ending in endings)
    found = next(name for name in names if not os.path.lexists(name))
    warnings.warn(
        f"{target.name!r} is a file of the model now: what was called so is kept as {str(found)!r}",
        MMWarning,
        stacklevel=2,
    )
    return found
