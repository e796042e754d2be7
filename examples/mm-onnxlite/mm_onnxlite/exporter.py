"""``folder``: the same pipeline with a graph in the place of its network."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from mm_core.api import (
    ArtifactError,
    ConfigError,
    Exporter,
    ExportJob,
    ExportReport,
    RunSettings,
    tools,
)
from mm_core.api.nn import Topology

from mm_onnxlite.configs import FolderConfig
from mm_onnxlite.engine import FILE, GraphEngine
from mm_onnxlite.network import write_graph
from mm_onnxlite.requirements import requirements

RUNTIME = "onnxlite:onnx"
NETWORK = "core:network"
ROWS = 8
"""Sample rows that the network is followed with."""


class FolderExporter(Exporter):
    """Writes a model folder, and ``requirements.txt`` in it."""

    config: FolderConfig

    def check(self, model: Any) -> list[str]:
        """Only networks become graphs, and what a prediction does besides would be lost."""
        if model.runtime != NETWORK:
            return [f"it runs on {model.runtime}, which is no network"]
        if type(model.topology).predict is not Topology.predict:
            return [f"{type(model.topology).__name__} predicts in its own way"]
        return []

    def export(self, job: ExportJob) -> ExportReport:
        """Write, read back, compare, and ask a process without torch what it needs.

        Raises:
            ConfigError: no sample rows.
            ArtifactError: the folder holds something else, or gives other outputs.
        """
        started = time.monotonic()
        model, sample = job.model, job.sample
        if sample is None:
            raise ConfigError(
                "the network is followed while it runs, and there are no rows to run it on",
                remedy="give some: predictor.export(path, format=..., sample=rows)",
            )
        with tempfile.TemporaryDirectory(prefix="mm-onnx-") as name:
            file = Path(name) / FILE
            write_graph(model.topology, _followed(model, sample), file)
            engine = GraphEngine(file.read_bytes())
        graph = replace(model, engine=engine, runtime=RUNTIME)
        tools.save_model(graph, job.result, job.registry, job.path)
        (job.path / "requirements.txt").write_text(
            "\n".join(requirements(job.path, sample, job.registry)) + "\n", encoding="utf-8"
        )
        read, _ = tools.load_model(job.path, job.registry)
        off, same = self._compare(model, read, sample)
        return ExportReport(job.path, off, same, time.monotonic() - started)

    def _compare(self, model: Any, read: Any, sample: Any) -> tuple[float, float]:
        """Largest difference of outputs, and share of equal answers."""
        off, same = 0.0, []
        for batch, wanted, found in _pairs(model, read, sample):
            off = max([off, *(float(np.abs(wanted[key] - found[key]).max()) for key in wanted)])
            answers = [
                model.pipeline.decode(one, batch.meta).answer.to_numpy() for one in (wanted, found)
            ]
            same.append((answers[0] == answers[1]).all(axis=1))
        if not off <= self.config.tolerance:
            raise ArtifactError(
                f"outputs of the graph differ from the model's by {off:.3g}",
                value=off,
                remedy="use the model itself, or another exporter",
            )
        return off, float(np.concatenate(same).mean())


def _followed(model: Any, sample: Any) -> Any:
    """A batch of two rows or more."""
    n = len(sample)
    rows = np.arange(max(2, min(n, ROWS))) % n
    frame = model.pipeline.encode(sample.take(rows))
    return next(iter(model.pipeline.arrays(frame, len(rows))))[0]


def _pairs(model: Any, read: Any, sample: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Batches with outputs of both."""
    settings = RunSettings(precision="32")  # as the graph computes
    frame = model.pipeline.encode(sample)
    size = read.engine.batch_size(model.recipe.training.batch_size, settings)
    for batch, _ in model.pipeline.arrays(frame, size):
        outputs = []
        for one in (model, read):
            with one.engine.running(settings):
                outputs.append(one.engine.run(batch, one.pipeline.options, settings))
        yield batch, *outputs
