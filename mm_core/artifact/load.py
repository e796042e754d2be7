"""Read a model back: names are looked up, hashes are checked, nothing is executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.numpy
import safetensors.torch
import torch
from torch import Tensor

from mm_core.api.errors import ArtifactError, MMError
from mm_core.api.fitting import FitResult
from mm_core.api.nn import Topology
from mm_core.api.processors import Processor, State
from mm_core.api.specs import ProcessorSpec, TaskSpec
from mm_core.api.tasks import Task
from mm_core.artifact.bases import check_bases, check_bases_found
from mm_core.artifact.manifest import ARRAYS, ASSETS, LOG, WEIGHTS, Manifest
from mm_core.artifact.needs import check_needs
from mm_core.artifact.save import sha256
from mm_core.model import Model, build_topology, check_recipe, input_fields, read_config
from mm_core.plugins.registry import Registry
from mm_core.recipe.checkpoints import CheckpointFinder

_UNFIT = (
    MMError,
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
    result = FitResult(manifest.history, manifest.best_score, "loaded", log)
    return Loaded(model.ready(), result, manifest)


def _check_files(folder: Path, manifest: Manifest) -> None:
    root = folder.resolve()
    if WEIGHTS not in manifest.files:
        raise ArtifactError(
            f"the model lists no {WEIGHTS}", value=WEIGHTS, remedy="copy the whole folder again"
        )
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
    processors = {}
    for name, part in recipe.inputs.items():
        component = registry.get(ProcessorSpec, part.processor.id)
        config = read_config(component, part.processor, f"inputs.{name}.processor")
        state = _read_state(folder, f"inputs/{name}", manifest.processors[name], manifest)
        processors[name] = component.load().from_state(config, input_fields(recipe, part), state)
    chosen = registry.get(TaskSpec, recipe.task.id)
    task = chosen.load().from_state(
        read_config(chosen, recipe.task, "task"),
        recipe.data.label,
        _read_state(folder, "task", manifest.task, manifest),
    )
    topology = _network(folder, manifest, processors, task, registry)
    return Model(recipe, processors, task, topology)


def _network(
    folder: Path,
    manifest: Manifest,
    processors: Mapping[str, Processor],
    task: Task,
    registry: Registry,
) -> Topology:
    """The network with its weights, of which some may come from checkpoints."""
    finder = CheckpointFinder(registry)
    check_bases_found(manifest, finder)
    embedded = {
        name: manifest.architectures[name]
        for name in manifest.recipe.backbones
        if name not in manifest.bases
    }
    topology = build_topology(
        manifest.recipe, processors, task, registry, finder=finder, architectures=embedded
    )
    missing, unexpected = _fill(topology, folder / WEIGHTS)
    prefixes = tuple(f"backbones.{name}." for name in manifest.bases)
    from_base = {name for name in missing if name.startswith(prefixes)}
    missing -= from_base
    if missing or unexpected:
        raise ArtifactError(
            f"the weights do not fit the network: missing {sorted(missing)[:5]}, "
            f"unexpected {sorted(unexpected)[:5]}",
            value=WEIGHTS,
            remedy="use the plugin versions that mm inspect shows",
        )
    check_bases(manifest, topology, from_base)
    return topology


def _fill(topology: Topology, file: Path) -> tuple[set[str], set[str]]:
    """Load weights; gives the names that got none, and those that are not the network's.

    Weights that share their memory are saved once.
    """
    weights = safetensors.torch.load_file(file)
    topology.load_state_dict(weights, strict=False)
    # What load_state_dict says is missing leaves out a BatchNorm's counter.
    state = topology.state_dict()
    filled = {_memory(state[name]) for name in weights if name in state}
    missing = {name for name in state if _memory(state[name]) not in filled}
    return missing, set(weights) - set(state)


def _memory(tensor: Tensor) -> tuple[int, torch.Size]:
    return tensor.data_ptr(), tensor.shape


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
