"""An engine of TensorRT that answers for a model. Imports numpy; the libraries when it is made."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from mm_onnx.api import VECTORS, check_options, flat

from mm_core.api import (
    ArtifactError,
    Batch,
    ConfigError,
    Engine,
    EngineContext,
    MMWarning,
    RunSettings,
    Task,
)
from mm_tensorrt.library import PLUGIN, libraries
from mm_tensorrt.ranges import Range, outside

PLAN, GRAPH = "engine.plan", "graph.onnx"


class TensorRTEngine(Engine):
    """Outputs and vectors of a graph, on an NVIDIA GPU.

    Args:
        graph: ONNX, from which another GPU's engine is made.
        plan: TensorRT's engine; None: onnxruntime's provider builds one.
        precision: ``"32"``, ``"16"`` or ``"bf16"``.
        known: shapes of each input that are answered.
        fixed: options of the task that the graph has computed in, by name.
        task: makes outputs of the graph's arrays; None: they are the outputs.

    Raises:
        ConfigError, ArtifactError: neither TensorRT nor the provider can answer here.
    """

    def __init__(
        self,
        graph: bytes,
        plan: bytes | None,
        precision: str,
        known: Mapping[str, Range],
        fixed: Mapping[str, Any] | None = None,
        task: Task | None = None,
    ) -> None:
        self._graph, self._plan, self._task = graph, plan, task
        self._precision, self._known, self._fixed = precision, dict(known), dict(fixed or {})
        self._rows = min(one[2][0] for one in known.values())
        self._way = self._found_way()

    def _found_way(self) -> Any:
        why: Exception | None = None
        if self._plan is not None:
            from mm_tensorrt.plan import Plan

            try:
                return Plan(libraries(), self._plan)
            except (ArtifactError, ConfigError) as error:
                why = error
        from mm_tensorrt.provider import Provider

        try:
            found = Provider(self._graph, self._precision, self._known)
        except ConfigError as error:
            if why is None:
                raise
            raise ArtifactError(
                f"{why.message}; and {error.message}",
                plugin=PLUGIN,
                remedy=f"{why.remedy}; or {error.remedy}",
            ) from why
        if why is not None:
            warnings.warn(
                f"{why.message}: onnxruntime's TensorRT provider answers instead, and builds an "
                "engine at the first batch, which takes minutes",
                MMWarning,
                stacklevel=2,
            )
        return found

    @property
    def way(self) -> str:
        """Who answers: ``"tensorrt"``, or ``"onnxruntime"`` by its provider."""
        return str(self._way.way)

    @property
    def leaves_cpu(self) -> bool:
        """The CPU makes the next batches meanwhile."""
        return True

    @property
    def embeddings(self) -> tuple[str, ...]:
        """Those of the network that the graph was made of."""
        found = (name for name in self._way.outputs if name.startswith(VECTORS))
        return tuple(name.removeprefix(VECTORS) for name in found)

    def batch_size(self, trained: int, settings: RunSettings) -> int:
        """As many rows as the engine was built for, unless fewer are asked for."""
        return min(settings.batch_size or self._rows, self._rows)

    def run(self, batch: Batch, options: Any, settings: RunSettings) -> dict[str, Any]:
        """What the network would predict.

        Raises:
            ConfigError: an option that is computed into the graph is to be another, or another
                device or precision is asked for.
            ArtifactError: a shape that the engine was not built for.
        """
        found = self.arrays(batch, options, settings)
        return found if self._task is None else dict(self._task.postprocess(found, batch, options))

    def arrays(self, batch: Batch, options: Any, settings: RunSettings) -> dict[str, Any]:
        """What the graph gives.

        Raises:
            ConfigError, ArtifactError: as in :meth:`run`.
        """
        check_options(options, self._fixed, PLUGIN)
        names = [name for name in self._way.outputs if not name.startswith(VECTORS)]
        return self._answers(names, batch, settings)

    def embed(self, batch: Batch, of: str, settings: RunSettings) -> Any:
        """float32 [B, D]."""
        return self._answers([f"{VECTORS}{of}"], batch, settings)[f"{VECTORS}{of}"]

    def write(self, folder: Path, context: EngineContext, standalone: bool) -> dict[str, Any]:
        """The plan, and the graph from which another machine makes its own."""
        (folder / GRAPH).write_bytes(self._graph)
        if self._plan is not None:
            (folder / PLAN).write_bytes(self._plan)
        return {
            "plan": self._plan is not None,
            "precision": self._precision,
            "shapes": {name: list(one) for name, one in self._known.items()},
            "fixed": self._fixed,
        }

    @classmethod
    def read(cls, folder: Path, values: Mapping[str, Any], context: EngineContext) -> Self:
        """From its files.

        Raises:
            ArtifactError, ConfigError: neither TensorRT nor the provider can answer here.
        """
        known = {
            name: (list(low), list(usual), list(high))
            for name, (low, usual, high) in values["shapes"].items()
        }
        plan = (folder / PLAN).read_bytes() if values["plan"] else None
        graph = (folder / GRAPH).read_bytes()
        return cls(graph, plan, values["precision"], known, values["fixed"], context.task)

    def _answers(
        self, names: list[str], batch: Batch, settings: RunSettings
    ) -> dict[str, np.ndarray]:
        device, precision = settings.device or "cuda", settings.precision
        wanted = {"32": "32", "16-mixed": "16", "bf16-mixed": "bf16"}
        # A plan is read on the first GPU that is seen, and answers there.
        if device not in ("cuda", "cuda:0") or (
            precision is not None and wanted.get(precision) != self._precision
        ):
            raise ConfigError(
                f"this engine answers on the GPU in {self._precision}, not on {device} in "
                f"{precision or self._precision}",
                plugin=PLUGIN,
                value=settings.device or settings.precision,
                remedy="leave both out; CUDA_VISIBLE_DEVICES says which GPU is seen",
            )
        given = flat(batch)
        parts = [self._way.answers(names, part) for part in self._parts(given, len(batch))]
        return {name: np.concatenate([one[name] for one in parts]) for name in names}

    def _parts(self, given: Mapping[str, Any], rows: int) -> Iterator[dict[str, Any]]:
        """At most as many rows as the engine was built for.

        Raises:
            ArtifactError: rows that are too long.
        """
        for start in range(0, rows, self._rows):
            part = {name: given[name][start : start + self._rows] for name in self._known}
            why = outside({name: np.shape(one) for name, one in part.items()}, self._known)
            if why is not None:
                raise ArtifactError(
                    why, plugin=PLUGIN, remedy="export anew with longest=..., or longer sample rows"
                )
            yield part
