"""Write a model as a folder; the old folder stays whole until the new one is complete."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
from safetensors import SafetensorError

from mm_core.api.errors import ArtifactError, PluginError
from mm_core.api.fitting import FitResult
from mm_core.api.processors import State
from mm_core.api.specs import (
    ComponentSpec,
    ConfigurableSpec,
    FitterSpec,
    LossSpec,
    ModalitySpec,
    TaskSpec,
)
from mm_core.artifact.bases import without_bases
from mm_core.artifact.carry import carry
from mm_core.artifact.exchange import put_in_place
from mm_core.artifact.manifest import (
    ARRAYS,
    ASSETS,
    FILE,
    LOG,
    WEIGHTS,
    BaseRecord,
    Manifest,
    PluginRecord,
)
from mm_core.model import Model, architectures
from mm_core.plugins.registry import Registry
from mm_core.plugins.slots import inside
from mm_core.recipe.recipe import Recipe
from mm_core.version import __version__

_OF_TRAINING = (FitterSpec, LossSpec)
"""Kinds that a model does without once it is trained."""


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
        bases = (_write_weights if standalone else _write_changes)(model, registry, fresh / WEIGHTS)
        _write(model, result, registry, bases, fresh)
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


def _write_weights(model: Model, registry: Registry, file: Path) -> dict[str, BaseRecord]:
    safetensors.torch.save_model(model.topology, str(file))
    return {}


def _write_changes(model: Model, registry: Registry, file: Path) -> dict[str, BaseRecord]:
    weights, bases = without_bases(model, registry)
    safetensors.torch.save_file(weights, str(file))
    return bases


def _write(
    model: Model,
    result: FitResult,
    registry: Registry,
    bases: dict[str, BaseRecord],
    folder: Path,
) -> None:
    states = {name: processor.state() for name, processor in model.processors.items()}
    for name, state in states.items():
        _write_state(state, folder / "inputs" / name)
    task = model.task.state()
    _write_state(task, folder / "task")
    (folder / "recipe.json").write_text(model.recipe.to_json(), encoding="utf-8")
    if result.log:
        (folder / LOG).write_text(result.log, encoding="utf-8")
    manifest = Manifest(
        mm_core=__version__,
        plugins=tuple(plugin_records(model.recipe, registry)),
        recipe=model.recipe,
        processors={name: state.values for name, state in states.items()},
        task=task.values,
        architectures=architectures(model.topology),
        bases=bases,
        history=result.history,
        best_score=result.best_score,
        files={
            path.relative_to(folder).as_posix(): sha256(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    )
    (folder / FILE).write_text(manifest.model_dump_json(indent=2, by_alias=True), encoding="utf-8")


def _write_state(state: State, folder: Path) -> None:
    if state.arrays:
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {name: np.ascontiguousarray(array) for name, array in state.arrays.items()}
        safetensors.numpy.save_file(arrays, str(folder / ARRAYS))
    for name, content in state.assets.items():
        (folder / ASSETS).mkdir(parents=True, exist_ok=True)
        (folder / ASSETS / name).write_bytes(content)


def component_ids(
    recipe: Recipe, registry: Registry
) -> dict[tuple[type[ComponentSpec], str], None]:
    """(kind, id) of every component that a model of this recipe needs, each once.

    Components in slots are among them, below what is installed.
    """
    found: dict[tuple[type[ComponentSpec], str], None] = dict.fromkeys(
        (ModalitySpec, name) for name in recipe.columns.by_modality()
    )
    for _, kind, part in recipe.parts():
        if kind not in _OF_TRAINING:
            found[kind, part.id] = None
            found |= dict.fromkeys(_inside(kind, part.id, "config", part.config, registry))
    found |= dict.fromkeys(
        _inside(TaskSpec, recipe.task.id, "topology_config", recipe.topology, registry)
    )
    return found


def _inside(
    kind: type[ConfigurableSpec],
    name: str,
    attribute: str,
    settings: Mapping[str, Any],
    registry: Registry,
) -> Iterator[tuple[type[ConfigurableSpec], str]]:
    try:
        config = registry.get(kind, name).config_class(attribute)
    except PluginError:  # told where it is needed itself
        return
    yield from inside(config, settings, registry)


def plugin_records(recipe: Recipe, registry: Registry) -> list[PluginRecord]:
    """The plugins behind a recipe's components, sorted by name."""
    plugins = {
        plugin.name: plugin
        for kind, name in component_ids(recipe, registry)
        for plugin in [registry.get(kind, name).plugin]
    }
    return [
        PluginRecord(
            name=plugin.name,
            distribution=plugin.distribution,
            version=plugin.version,
            sha256=plugin.sha256,
        )
        for _, plugin in sorted(plugins.items())
    ]


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
