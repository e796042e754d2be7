"""A graph that answers. Imports onnxruntime and numpy, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    RuntimeException,
)

from mm_core.api import (
    ArtifactError,
    Batch,
    ConfigError,
    Engine,
    EngineContext,
    MemoryFullError,
    RunSettings,
    Task,
)
from mm_onnx.arrays import FILE, VECTORS, check_options, flat


class GraphEngine(Engine):
    """Outputs and vectors of an ONNX graph.

    Args:
        graph: the file's content; all weights are in it.
        precision: see :class:`mm_onnx.configs.OnnxConfig`.
        fixed: options of the task that the graph has computed in, by name.
        task: makes outputs of the graph's arrays; None: they are the outputs.

    Raises:
        ArtifactError: it is no graph.
    """

    def __init__(
        self,
        graph: bytes,
        precision: str = "32",
        fixed: Mapping[str, Any] | None = None,
        task: Task | None = None,
    ) -> None:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        # Threads that wait for work would else spin, and take the processor from the next batch's
        # making, and from other programs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(graph, options, ["CPUExecutionProvider"])
        except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf) as error:
            raise ArtifactError(f"{FILE} is no ONNX graph: {error}", value=FILE) from error
        self._graph = graph
        self._task = task
        self._precision = precision
        self._fixed = dict(fixed or {})
        self._inputs = [one.name for one in self._session.get_inputs()]
        self._outputs = [one.name for one in self._session.get_outputs()]
        self._asked_only = ort.RunOptions()  # vectors that nobody asks for cost nothing
        self._asked_only.only_execute_path_to_fetches = True

    @property
    def graph(self) -> bytes:
        """The file's content."""
        return self._graph

    @property
    def fixed(self) -> Mapping[str, Any]:
        """Options of the task that the graph has computed in, by name."""
        return self._fixed

    @property
    def embeddings(self) -> tuple[str, ...]:
        """Those of the network that the graph was made of."""
        found = (name for name in self._outputs if name.startswith(VECTORS))
        return tuple(name.removeprefix(VECTORS) for name in found)

    def batch_size(self, trained: int, settings: RunSettings) -> int:
        """As in training: on a CPU more rows at once are no faster."""
        return settings.batch_size or trained

    def run(self, batch: Batch, options: Any, settings: RunSettings) -> dict[str, Any]:
        """What the network would predict.

        Raises:
            ConfigError: an option that is computed into the graph is to be another.
        """
        found = self.arrays(batch, options, settings)
        return found if self._task is None else dict(self._task.postprocess(found, batch, options))

    def arrays(self, batch: Batch, options: Any, settings: RunSettings) -> dict[str, Any]:
        """What the graph gives.

        Raises:
            ConfigError: an option that is computed into the graph is to be another.
        """
        check_options(options, self._fixed, "onnx:onnx")
        names = [name for name in self._outputs if not name.startswith(VECTORS)]
        return self._answers(names, batch, settings)

    def embed(self, batch: Batch, of: str, settings: RunSettings) -> Any:
        """float32 [B, D]."""
        return self._answers([f"{VECTORS}{of}"], batch, settings)[f"{VECTORS}{of}"]

    def write(self, folder: Path, context: EngineContext, standalone: bool) -> dict[str, Any]:
        """The graph, weights and all."""
        (folder / FILE).write_bytes(self._graph)
        return {
            "inputs": self._inputs,
            "outputs": self._outputs,
            "precision": self._precision,
            "fixed": self._fixed,
        }

    @classmethod
    def read(cls, folder: Path, values: Mapping[str, Any], context: EngineContext) -> Self:
        """From the graph.

        Raises:
            ArtifactError: it is none, or another than was saved.
        """
        graph = (folder / FILE).read_bytes()
        engine = cls(graph, values["precision"], values["fixed"], context.task)
        if [engine._inputs, engine._outputs] != [values["inputs"], values["outputs"]]:
            raise ArtifactError(
                f"{FILE} reads {engine._inputs} and gives {engine._outputs}, not what was saved",
                value=FILE,
            )
        return engine

    def _answers(
        self, names: list[str], batch: Batch, settings: RunSettings
    ) -> dict[str, np.ndarray]:
        if settings.device not in (None, "cpu") or settings.precision not in (None, "32"):
            raise ConfigError(
                f"an ONNX graph of this plugin answers on the CPU in 32 bits, not on "
                f"{settings.device or 'cpu'} in {settings.precision or '32'}",
                plugin="onnx:onnx",
                value=settings.device or settings.precision,
                remedy="leave device and precision out",
            )
        given = flat(batch)
        read = {name: given[name] for name in self._inputs}
        try:
            found = self._session.run(names, read, self._asked_only)
        except (Fail, InvalidArgument, RuntimeException) as error:
            if "allocate" in str(error):
                raise MemoryFullError(
                    f"{len(batch)} row(s) at once do not fit into memory",
                    value=len(batch),
                    remedy="predict fewer rows at once: batch_size=1",
                ) from error
            raise ConfigError(
                f"the graph cannot answer {len(batch)} row(s) of these sizes: {error}",
                plugin="onnx:onnx",
                value={name: np.shape(one) for name, one in read.items()},
                remedy="ask the model that was exported, or export it with such rows in the sample",
            ) from error
        return dict(zip(names, found, strict=True))
