"""The folder of a predictor: what may stand there, and what is written to it."""

from __future__ import annotations

import shutil
from pathlib import Path

from mm_core.api.errors import ConfigError
from mm_core.api.processors import Table
from mm_core.api.specs import ArtifactSavedSpec
from mm_core.artifact.folder import check_folder
from mm_core.artifact.manifest import FIT, UNFINISHED
from mm_core.artifact.unfinished import START, Unfinished
from mm_core.lifecycle import tell
from mm_core.plugins.registry import Registry
from mm_core.processes import is_first, others_wait
from mm_core.recipe.recipe import Recipe
from mm_core.session.session import CutOff, Held, Session


def check_path(session: Session, path: Path | None) -> None:
    """Refuse a folder that a fit cannot save to, before it begins.

    Raises:
        ArtifactError: it cannot be written, or holds something else.
        ConfigError: a fit that was cut off would not be saved where it was to be.
    """
    if session.cut_off is not None and path != session.cut_off.folder:
        raise ConfigError(
            f"the fit that was cut off is taken up in {str(session.cut_off.folder)!r}, not in "
            f"{str(path)!r}",
            value=path,
            remedy="leave path as load set it; save(folder) writes the model elsewhere as well",
        )
    if path is not None:
        check_folder(path)


def state_folder(
    session: Session, path: Path | None, recipe: Recipe, train: Table, tuning: Table | None
) -> Path | None:
    """Where the fit keeps its state; None: nowhere, there is no path."""
    if path is None or not recipe.training.epochs:
        return None
    if session.cut_off is not None:
        session.cut_off.fit.check_rows(train, tuning)
    elif is_first():
        save_start = None
        if session.further is not None:
            save_start = lambda folder: write(session, folder)  # noqa: E731
        Unfinished.begin(path, recipe, train, tuning, save_start)
    return path / UNFINISHED


def forget_state(folder: Path | None) -> None:
    """Remove the folder of a fit that failed before it wrote any of its state: there is nothing to
    go on with. The folder of the model goes with it where nothing else is in it.
    """
    if folder is None or not is_first() or not folder.is_dir():
        return
    if {path.name for path in folder.iterdir()} <= {FIT, START}:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.parent.is_dir() and not any(folder.parent.iterdir()):
            folder.parent.rmdir()


def save(session: Session, folder: Path, standalone: bool = True, *, checked: bool = False) -> None:
    """Write the model; other processes wait for the first.

    Args:
        session: holds the model.
        folder: where to.
        standalone: whether all weights are written, or only those that no checkpoint gives again.
        checked: whether it is known already that a model may be written there.
    """
    held = session.need_held()
    with others_wait():
        if is_first() and not checked:
            check_folder(folder)
        write(session, folder, standalone)
    tell(session.registry, ArtifactSavedSpec, held.model, folder)


def write(session: Session, folder: Path, standalone: bool = True) -> None:
    """Write the model, whatever else is in the folder; only the first process does."""
    from mm_core.artifact.save import save

    held = session.need_held()
    if is_first():
        save(held.model, held.result, session.registry, folder, standalone=standalone)


def cut_off_recipe(folder: Path) -> Recipe:
    """The recipe of the fit that was cut off there.

    Raises:
        ArtifactError: there is none.
    """
    return Unfinished.read(folder).recipe


def take_up(session: Session, folder: Path) -> None:
    """Take up the fit that was cut off there, with the model that it started from, if any."""
    unfinished = Unfinished.read(folder)
    session.cut_off = CutOff(unfinished, folder)
    if unfinished.further:
        held = read(session.registry, folder / UNFINISHED / START)
        unfinished.check_start(held.model.recipe)
        session.held = held


def read(registry: Registry, folder: Path) -> Held:
    """The model of a folder."""
    from mm_core.artifact.load import load

    found = load(folder, registry)
    return Held(found.model, found.result)
