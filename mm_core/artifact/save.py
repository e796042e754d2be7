"""Write a model as a folder; the old folder stays whole until the new one is complete."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from mm_core.api.engine import EngineContext
from mm_core.api.errors import ArtifactError
from mm_core.api.fitting import FitResult
from mm_core.artifact.carry import carry
from mm_core.artifact.components import plugin_records
from mm_core.artifact.exchange import put_in_place
from mm_core.artifact.manifest import (
    ENGINE,
    FILE,
    LOG,
    EngineRecord,
    Manifest,
    PluginRecord,
)
from mm_core.data.states import write_state
from mm_core.model import Model
from mm_core.plugins.registry import Registry
from mm_core.version import __version__


def save(
    model: Model,
    result: FitResult,
    registry: Registry,
    folder: Path,
    *,
    standalone: bool = True,
) -> Path:
    """Write ``model`` to ``folder``, replacing a saved model that stands there.

    Whatever else is in the folder stays in it.

    Args:
        model: what to write.
        result: of its fit.
        registry: installed components.
        folder: where to.
        standalone: whether all weights are written, or only those that no checkpoint gives again.

    Raises:
        ArtifactError: the folder cannot be written, and what stood there stands there; or the model
            is saved, but a file beside the old one could not be moved to it.
        CheckpointError: not standalone, and a checkpoint can no longer be had.
    """
    try:
        return _save(model, result, registry, folder, standalone=standalone)
    except (OSError, SafetensorError) as error:  # the latter where its own writing fails
        raise ArtifactError(
            f"the model cannot be saved in {str(folder)!r}: {error}",
            value=str(folder),
            remedy="make room there, or save it elsewhere: predictor.save(another_folder)",
        ) from error


def _save(
    model: Model, result: FitResult, registry: Registry, folder: Path, *, standalone: bool
) -> Path:
    place = folder.resolve()  # a link goes on pointing there
    beside = Path(tempfile.mkdtemp(dir=place.parent, prefix=".mm-save-"))
    fresh = beside / "model"
    with _removed_after(BaseException, beside):
        fresh.mkdir()
        _write(model, result, registry, fresh, standalone=standalone)
    with _removed_after(OSError, beside):
        old = put_in_place(fresh, place, aside=beside / "old")
    # From here on, what is not the model's may stand beside the folder: if this ends before all of
    # it is moved, it stays there.
    if old is not None:
        carry(old, place)
    shutil.rmtree(beside, ignore_errors=True)
    return folder


@contextmanager
def _removed_after(error: type[BaseException], folder: Path) -> Iterator[None]:
    """Remove the folder where this ends with such an error."""
    try:
        yield
    except error:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _write(
    model: Model, result: FitResult, registry: Registry, folder: Path, *, standalone: bool
) -> None:
    (folder / ENGINE).mkdir()
    context = EngineContext(model.recipe, model.processors, model.task, registry)
    engine = model.engine.write(folder / ENGINE, context, standalone)
    states = {name: processor.state() for name, processor in model.processors.items()}
    for name, state in states.items():
        write_state(state, folder / "inputs" / name)
    task = model.task.state()
    write_state(task, folder / "task")
    (folder / "recipe.json").write_text(model.recipe.to_json(), encoding="utf-8")
    if result.log:
        (folder / LOG).write_text(result.log, encoding="utf-8")
    manifest = Manifest(
        mm_core=__version__,
        plugins=_with_inner(plugin_records(model, registry), folder / ENGINE),
        recipe=model.recipe,
        processors={name: state.values for name, state in states.items()},
        task=task.values,
        engine=EngineRecord(id=model.runtime, values=engine),
        history=result.history,
        best_score=result.best_score,
        known_rows=result.known_rows,
        files={
            path.relative_to(folder).as_posix(): sha256(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    )
    (folder / FILE).write_text(manifest.model_dump_json(indent=2, by_alias=True), encoding="utf-8")


def _with_inner(own: Sequence[PluginRecord], engine: Path) -> tuple[PluginRecord, ...]:
    """The plugins of the model, and of the models that its engine wrote into its folder.

    So loading names all that is missing at once, and not the first of the members.
    """
    found = {record.name: record for record in own}
    for manifest in sorted(engine.rglob(FILE)):
        inner = Manifest.read(manifest.parent).plugins
        found |= {record.name: record for record in inner if record.name not in found}
    return tuple(found[name] for name in sorted(found))


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
