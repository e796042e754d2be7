"""Write a model as a folder; the old folder stays whole until the new one is complete."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import safetensors.numpy
import safetensors.torch

from mm_core.api.contracts import FitResult, State
from mm_core.api.specs import (
    BackboneSpec,
    ComponentSpec,
    FusionHeadSpec,
    ModalitySpec,
    ProcessorSpec,
    TaskSpec,
)
from mm_core.artifact.folder import check_folder
from mm_core.artifact.manifest import ARRAYS, ASSETS, FILE, WEIGHTS, Manifest, PluginRecord
from mm_core.model import Model, architectures
from mm_core.plugins.registry import Registry
from mm_core.recipe.recipe import Recipe
from mm_core.version import __version__


def save(model: Model, result: FitResult, registry: Registry, folder: Path) -> Path:
    """Write ``model`` to ``folder``, replacing a saved model that stands there.

    Raises:
        ArtifactError: the folder holds something that is no saved model.
    """
    check_folder(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".mm-save-") as temporary:
        fresh = Path(temporary) / "model"
        fresh.mkdir()
        _write(model, result, registry, fresh)
        if folder.exists():
            folder.rename(Path(temporary) / "old")
        fresh.rename(folder)
    return folder


def _write(model: Model, result: FitResult, registry: Registry, folder: Path) -> None:
    states = {name: processor.state() for name, processor in model.processors.items()}
    for name, state in states.items():
        _write_state(state, folder / "inputs" / name)
    task = model.task.state()
    _write_state(task, folder / "task")
    safetensors.torch.save_model(model.topology, str(folder / WEIGHTS))
    (folder / "recipe.json").write_text(model.recipe.to_json(), encoding="utf-8")
    manifest = Manifest(
        mm_core=__version__,
        plugins=tuple(plugin_records(model.recipe, registry)),
        recipe=model.recipe,
        processors={name: state.values for name, state in states.items()},
        task=task.values,
        architectures=architectures(model.topology),
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


def component_ids(recipe: Recipe) -> dict[tuple[type[ComponentSpec], str], None]:
    """(kind, id) of every component that a model of this recipe needs, each once."""
    return dict.fromkeys(
        [
            *((ModalitySpec, name) for name in recipe.columns.by_modality()),
            *((ProcessorSpec, part.processor.id) for part in recipe.inputs.values()),
            *((BackboneSpec, part.id) for part in recipe.backbones.values()),
            *([(FusionHeadSpec, recipe.fusion.id)] if recipe.fusion else []),
            (TaskSpec, recipe.task.id),
        ]
    )


def plugin_records(recipe: Recipe, registry: Registry) -> list[PluginRecord]:
    """The plugins behind a recipe's components, sorted by name."""
    plugins = {
        plugin.name: plugin
        for kind, name in component_ids(recipe)
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
