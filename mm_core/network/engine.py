"""The network as an engine: arrays become tensors, and outputs arrays again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from mm_core.api.batch import Batch, mapped
from mm_core.api.engine import Engine, EngineContext, RunSettings
from mm_core.api.errors import ArtifactError, ConfigError
from mm_core.api.nn import Topology, tensors
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.data.states import read_state, write_state
from mm_core.network.bases import BaseRecord, check_bases, check_bases_found, without_bases
from mm_core.network.build import architectures, build_topology, shared_backbones

WEIGHTS = "weights.safetensors"
STATE = "topology"
"""Folder of what a topology learned that stands in no parameter."""

GPU_BATCH_SIZE = 64
"""Rows at once on a GPU, at least."""

_DTYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


class NetworkEngine(Engine):
    """Runs a topology.

    Args:
        topology: the network.
    """

    def __init__(self, topology: Topology) -> None:
        self.topology = topology

    @property
    def embeddings(self) -> tuple[str, ...]:
        """Those of the topology."""
        return self.topology.embeddings

    @property
    def device(self) -> torch.device:
        """Where the network is; the CPU where it has no parameters."""
        found = next(self.topology.parameters(), None)
        return torch.device("cpu") if found is None else found.device

    def ready(self) -> None:
        """On the GPU where there is one, without dropout; on that where it is, if it is on one."""
        self.topology.eval()
        if torch.cuda.is_available() and self.device.type != "cuda":
            self.topology.to("cuda")

    def batch_size(self, trained: int, settings: RunSettings) -> int:
        """As in training, where many cheap rows or few dear ones are a batch.

        That many fit into memory. On a CPU more would not be faster: large activations cost a page
        fault for every 4 KiB of them, each time.
        """
        if settings.batch_size is not None:
            return settings.batch_size
        on_cpu = (settings.device or self.device.type) == "cpu"
        return trained if on_cpu else max(trained, GPU_BATCH_SIZE)

    @contextmanager
    def running(self, settings: RunSettings) -> Iterator[None]:
        """Without gradients and dropout, on the device and in the precision asked for."""
        if settings.device is not None:
            self._move(settings.device)
        training = self.topology.training
        if training:  # walks all modules: a good part of the time that one row takes
            self.topology.eval()
        try:
            with torch.inference_mode(), self._precision(settings.precision):
                yield
        finally:
            if training:
                self.topology.train()

    def run(self, batch: Batch, options: Any, settings: RunSettings) -> dict[str, Any]:
        """What the topology predicts, on the CPU; floats of any width as float32."""
        outputs: dict[str, Any] = self.topology.predict(tensors(batch).to(self.device), options)
        return {name: mapped(value, _array) for name, value in outputs.items()}

    def embed(self, batch: Batch, of: str, settings: RunSettings) -> Any:
        """float32 [B, D]."""
        return _array(self.topology.embed(tensors(batch).to(self.device), of))

    def write(self, folder: Path, context: EngineContext, standalone: bool) -> dict[str, Any]:
        """Weights as safetensors; architectures, and bases where weights are left out, as JSON."""
        bases: dict[str, BaseRecord] = {}
        if standalone:
            safetensors.torch.save_model(self.topology, str(folder / WEIGHTS))
        else:
            weights, bases = without_bases(self.topology, context)
            safetensors.torch.save_file(weights, str(folder / WEIGHTS))
        state = self.topology.state()
        write_state(state, folder / STATE)
        return {
            "architectures": architectures(self.topology),
            "bases": {name: base.model_dump() for name, base in bases.items()},
            "topology": state.values,
        }

    @classmethod
    def read(cls, folder: Path, values: Mapping[str, Any], context: EngineContext) -> Self:
        """Built from JSON and filled with weights, of which some may come from checkpoints.

        Raises:
            ArtifactError: the weights do not fit, or checkpoints cannot be had.
        """
        bases = {name: BaseRecord(**base) for name, base in values["bases"].items()}
        shared = shared_backbones(context.recipe)
        finder = CheckpointFinder(context.registry)
        check_bases_found(bases, context.recipe, finder)
        topology = build_topology(
            context.recipe,
            context.processors,
            context.task,
            context.registry,
            finder=finder,
            architectures={
                name: values["architectures"][name]
                for name in context.recipe.backbones
                if name not in bases and name not in shared
            },
        )
        missing, unexpected = _fill(topology, folder / WEIGHTS)
        again = tuple(f"backbones.{name}." for name in shared)
        missing = {name for name in missing if not name.startswith(again)}
        prefixes = tuple(f"backbones.{name}." for name in bases)
        from_base = {name for name in missing if name.startswith(prefixes)}
        _refuse_gaps(missing - from_base, unexpected)
        check_bases(bases, topology, from_base)
        topology.load_state(read_state(folder / STATE, values.get("topology", {})))
        return cls(topology)

    def _move(self, device: str) -> None:
        try:
            self.topology.to(device)
        except (RuntimeError, AssertionError) as error:  # torch built without it, no such card
            raise ConfigError(
                f"device={device!r} cannot be used: {error}",
                value=device,
                remedy="device='cpu', or leave it out",
            ) from error

    def _precision(self, precision: str | None) -> Any:
        if precision in (None, "32"):
            return nullcontext()
        if precision not in _DTYPES:
            raise ConfigError(
                f"precision={precision!r}",
                value=precision,
                remedy=f"use 32, {', '.join(_DTYPES)}",
            )
        return torch.autocast(self.device.type, dtype=_DTYPES[precision])


def _array(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    value = value.float() if value.is_floating_point() else value  # numpy has no bfloat16
    found: np.ndarray = value.cpu().numpy()
    return found


def _refuse_gaps(missing: set[str], unexpected: set[str]) -> None:
    if missing or unexpected:
        raise ArtifactError(
            f"the weights do not fit the network: missing {sorted(missing)[:5]}, "
            f"unexpected {sorted(unexpected)[:5]}",
            value=WEIGHTS,
            remedy="use the plugin versions that mm inspect shows",
        )


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
