"""The network as an engine: arrays become tensors, and outputs arrays again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from mm_core.api.batch import Batch, mapped
from mm_core.api.engine import Engine, EngineContext, RunSettings
from mm_core.api.errors import ArtifactError, ConfigError, MemoryFullError
from mm_core.api.nn import Topology, tensors
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.data.states import read_state, write_state
from mm_core.network.bases import BaseRecord, check_bases, check_bases_found, without_bases
from mm_core.network.build import architectures, build_topology, shared_backbones
from mm_core.network.precision import FULL, mixed, usual
from mm_core.network.transfer import on_device
from mm_core.network.workers import Workers

_T = TypeVar("_T")

WEIGHTS = "weights.safetensors"
STATE = "topology"
"""Folder of what a topology learned that stands in no parameter."""

GPU_BATCH_SIZE = 256
"""Rows at once on a GPU, at least; those that are large come in fewer (``mm_core.inference``)."""


class NetworkEngine(Engine):
    """Runs a topology.

    Args:
        topology: the network.
        precision: what its weights were trained in: ``"32"``, ``"bf16-mixed"``, ``"16-mixed"``. It
            answers so on a GPU, and in ``"32"`` on a CPU, where it is asked for none.
    """

    def __init__(self, topology: Topology, precision: str = FULL) -> None:
        self.topology = topology
        self.precision = precision
        self._most_rows: int | None = None

    @property
    def embeddings(self) -> tuple[str, ...]:
        """Those of the topology."""
        return self.topology.embeddings

    @property
    def device(self) -> torch.device:
        """Where the network is; the CPU where it has no parameters."""
        found = next(self.topology.parameters(), None)
        return torch.device("cpu") if found is None else found.device

    @property
    def leaves_cpu(self) -> bool:
        """On a GPU."""
        return self.device.type == "cuda"

    def ready(self) -> None:
        """On the GPU where there is one, without dropout; on that where it is, if it is on one."""
        self.topology.eval()
        if torch.cuda.is_available() and self.device.type != "cuda":
            self.topology.to("cuda")

    def batch_size(self, trained: int, settings: RunSettings) -> int:
        """As in training, where many cheap rows or few dear ones are a batch.

        That many fit into memory. On a CPU more would not be faster: large activations cost a page
        fault for every 4 KiB of them, each time. A size that was found too large is not given
        again.
        """
        on_cpu = (settings.device or self.device.type) == "cpu"
        usual = trained if on_cpu else max(trained, GPU_BATCH_SIZE)
        size = settings.batch_size or usual
        return size if self._most_rows is None else min(size, self._most_rows)

    @contextmanager
    def running(self, settings: RunSettings) -> Iterator[None]:
        """Without gradients and dropout, on the device and in the precision asked for."""
        if settings.device is not None:
            self._move(settings.device)
        device = self.device
        precision = settings.precision or usual(self.precision, device)
        training = self.topology.training
        if training:  # walks all modules: a good part of the time that one row takes
            self.topology.eval()
        try:
            with torch.inference_mode(), mixed(precision, device):
                yield
        finally:
            if training:
                self.topology.train()

    def prepare(self, batch: Batch) -> Batch:
        """Tensors; in pinned memory, from which they go to a GPU."""
        made = tensors(batch)
        return made.pin_memory() if self.device.type == "cuda" else made

    def makers(
        self, make: Callable[[np.ndarray], tuple[Batch, Any]], count: int
    ) -> Workers[np.ndarray]:
        """Forks of this process, which leave the GPU alone; batches come in pinned memory."""
        return Workers(make, count, pinned=self.device.type == "cuda")

    def run(self, batch: Batch, options: Any, settings: RunSettings) -> dict[str, Any]:
        """What the topology predicts, on the CPU; floats of any width as float32.

        Raises:
            MemoryFullError: the batch is too large for the GPU.
        """

        return self._outputs(self.topology.predict, batch, options)

    def arrays(self, batch: Batch, options: Any, settings: RunSettings) -> dict[str, Any]:
        """What a graph of the topology gives, as :meth:`run` gives it.

        Raises:
            MemoryFullError: the batch is too large for the GPU.
        """
        return self._outputs(self.topology.arrays, batch, options)

    def embed(self, batch: Batch, of: str, settings: RunSettings) -> Any:
        """float32 [B, D].

        Raises:
            MemoryFullError: the batch is too large for the GPU.
        """

        def embedded() -> Any:
            return _array(self.topology.embed(on_device(_as_tensors(batch), self.device), of))

        return self._within_memory(batch, embedded)

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
            "precision": self.precision,
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
        saved = {
            name: _architecture(values, name)
            for name in context.recipe.backbones
            if name not in shared
        }
        known = {name: one for name, one in saved.items() if name not in bases}
        with torch.random.fork_rng(devices=[]):  # new weights are drawn, and then filled
            topology = build_topology(
                context.recipe,
                context.processors,
                context.task,
                context.registry,
                finder=finder,
                architectures=known,
                saved=saved,
            )
        missing, unexpected = _fill(topology, folder / WEIGHTS)
        again = tuple(f"backbones.{name}." for name in shared)
        missing = {name for name in missing if not name.startswith(again)}
        prefixes = tuple(f"backbones.{name}." for name in bases)
        from_base = {name for name in missing if name.startswith(prefixes)}
        _refuse_gaps(missing - from_base, unexpected)
        check_bases(bases, topology, from_base)
        topology.load_state(read_state(folder / STATE, values.get("topology", {})))
        return cls(topology, values.get("precision", FULL))

    def _outputs(
        self, of: Callable[[Batch, Any], dict[str, Any]], batch: Batch, options: Any
    ) -> dict[str, Any]:
        def found() -> dict[str, Any]:
            outputs = of(on_device(_as_tensors(batch), self.device), options)
            return {name: mapped(value, _array) for name, value in outputs.items()}

        return self._within_memory(batch, found)

    def _within_memory(self, batch: Batch, run: Callable[[], _T]) -> _T:
        try:
            return run()
        except torch.OutOfMemoryError:
            pass  # told below: the error holds on to what the GPU was working on
        torch.cuda.empty_cache()
        rows = len(batch)
        self._most_rows = max(1, rows // 2)
        raise MemoryFullError(
            f"{rows} row(s) at once do not fit into the memory of the device {str(self.device)!r}",
            value=rows,
            remedy="let the device have more memory to itself, ask for precision='bf16-mixed' or "
            "device='cpu', or fit with a smaller max_length or image_size",
        )

    def _move(self, device: str) -> None:
        before = self.device
        try:
            self.topology.to(device)
        except (RuntimeError, AssertionError) as error:  # torch built without it, no such card
            raise ConfigError(
                f"device={device!r} cannot be used: {error}",
                value=device,
                remedy="device='cpu', or leave it out",
            ) from error
        if self.device != before:
            self._most_rows = None


def _as_tensors(batch: Batch) -> Batch:
    """The batch, whether it is prepared or not."""
    return batch if isinstance(batch.row_ids, Tensor) else tensors(batch)


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


def _architecture(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """What a backbone said of itself: without it one would be made from settings, as at a fit."""
    found = values["architectures"].get(name)
    if isinstance(found, Mapping):
        return found
    raise ArtifactError(
        f"the model does not say how backbones.{name} is built",
        value=name,
        remedy="copy the model again from where it was saved",
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
