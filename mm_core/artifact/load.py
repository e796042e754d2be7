"""Read a model back: names are looked up, hashes are checked, nothing is executed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.numpy

from mm_core.api.engine import Engine, EngineContext
from mm_core.api.errors import ArtifactError, MMError
from mm_core.api.fitting import FitResult
from mm_core.api.processors import State
from mm_core.api.specs import ProcessorSpec, RuntimeSpec, TaskSpec
from mm_core.artifact.formats import FORMAT_1_FILES
from mm_core.artifact.manifest import LOG, Manifest
from mm_core.artifact.needs import check_needs
from mm_core.artifact.save import sha256
from mm_core.data.states import ARRAYS, ASSETS
from mm_core.model import Model
from mm_core.pipeline import (
    Pipeline,
    check_recipe,
    input_fields,
    read_config,
    shared_inputs,
    with_shared,
)
from mm_core.plugins.offered import default_options
from mm_core.plugins.registry import Registry

_UNFIT = (
    MMError,
    OSError,
    safetensors.SafetensorError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What components raise when they are built from states that are not their own."""


@dataclass(frozen=True)
class Loaded:
    """A model read from a folder, with what is known of its fit."""

    model: Model
    result: FitResult
    manifest: Manifest


def load(folder: Path, registry: Registry) -> Loaded:
    """Read the model that :func:`mm_core.artifact.save.save` wrote.

    Raises:
        ArtifactError: damaged, altered, unsafe, of another format, or in need of plugins that are
            missing, broken or too old (all of them are named).
    """
    manifest = Manifest.read(folder)
    _check_files(folder, manifest)
    _check_engine_files(folder, manifest)
    check_needs(manifest, registry)
    try:
        model = _build(folder, manifest, registry)
    except ArtifactError:
        raise
    except _UNFIT as error:
        raise ArtifactError(
            f"{str(folder)!r} does not fit together: {type(error).__name__}: {error}",
            value=str(folder),
            remedy="it was altered, or written by versions that do not match "
            "(mm inspect shows them)",
        ) from error
    log = (folder / LOG).read_text(encoding="utf-8") if LOG in manifest.files else ""
    result = FitResult(
        manifest.history, manifest.best_score, "loaded", log, known_rows=manifest.known_rows
    )
    return Loaded(model.ready(), result, manifest)


def _check_files(folder: Path, manifest: Manifest) -> None:
    root = folder.resolve()
    for name, wanted in manifest.files.items():
        path = folder / name
        if not path.is_file() or not path.resolve().is_relative_to(root):
            raise ArtifactError(
                f"{name!r} is missing from the model, or a link that leaves it",
                value=name,
                remedy="copy the whole folder again",
            )
        if sha256(path) != wanted:
            raise ArtifactError(
                f"{name!r} was changed after the model was saved (its sha256 differs)",
                value=name,
                remedy="copy the whole folder again, or do not trust it",
            )


def _build(folder: Path, manifest: Manifest, registry: Registry) -> Model:
    recipe = manifest.recipe
    check_recipe(recipe, registry)
    chosen = registry.get(TaskSpec, recipe.task.id)
    fitted = {}
    for name, part in recipe.inputs.items():
        if name in shared_inputs(recipe):
            continue
        component = registry.get(ProcessorSpec, part.processor.id)
        config = read_config(component, part.processor, f"inputs.{name}.processor")
        state = _read_state(folder, f"inputs/{name}", manifest.processors[name], manifest)
        fitted[name] = component.load().from_state(config, input_fields(recipe, part), state)
        fitted[name].needs = chosen.spec.needs
    processors = with_shared(fitted, recipe)
    task = chosen.load().from_state(
        read_config(chosen, recipe.task, "task"),
        recipe.data.label,
        _read_state(folder, "task", manifest.task, manifest),
    )
    record = manifest.engine
    runtime: type[Engine] = registry.get(RuntimeSpec, record.id).load()
    context = EngineContext(recipe, processors, task, registry)
    engine = runtime.read(folder / record.folder, record.values, context)
    options = default_options(chosen)
    pipeline = Pipeline(recipe, processors, task, engine.reads_rows, options)
    return Model(pipeline, engine, record.id)


def _check_engine_files(folder: Path, manifest: Manifest) -> None:
    """An engine reads what it likes of its folder: nothing may lie there that was not checked."""
    own = manifest.engine.folder
    places = [folder / own] if own else [folder / name for name in FORMAT_1_FILES]
    found = [path for place in places for path in (place, *place.rglob("*"))]
    for path in sorted(found):
        name = path.relative_to(folder).as_posix()
        linked = path.is_symlink() and path.is_dir()  # rglob does not look into it, an engine may
        if linked or (path.is_file() and name not in manifest.files):
            raise ArtifactError(
                f"{name!r} is not one of the model's files",
                value=name,
                remedy="do not use this model: something was put into it; copy it again",
            )


def _read_state(folder: Path, prefix: str, values: dict[str, object], manifest: Manifest) -> State:
    """State of one component; only files that the manifest lists (and so were checked) are read."""
    arrays = f"{prefix}/{ARRAYS}"
    assets = f"{prefix}/{ASSETS}/"
    return State(
        values=dict(values),
        arrays=safetensors.numpy.load_file(folder / arrays) if arrays in manifest.files else {},
        assets={
            name.removeprefix(assets): (folder / name).read_bytes()
            for name in manifest.files
            if name.startswith(assets)
        },
    )
