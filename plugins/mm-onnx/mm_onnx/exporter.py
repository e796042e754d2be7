"""``onnx``: the same pipeline with a graph in the place of its network."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mm_core.api import ArtifactError, ConfigError, Exporter, ExportJob, ExportReport, tools
from mm_onnx.configs import OnnxConfig
from mm_onnx.engine import FILE, GraphEngine
from mm_onnx.lighter import lighter
from mm_onnx.network import write_graph
from mm_onnx.parity import Parity, compare
from mm_onnx.requirements import requirements

RUNTIME = "onnx:onnx"
NETWORK = "core:network"
REPORT = "export.json"
ROWS = 8
"""Sample rows that the network is followed with."""


class OnnxExporter(Exporter):
    """Writes a model folder; ``requirements.txt`` and ``export.json`` in it."""

    config: OnnxConfig

    def check(self, model: Any) -> list[str]:
        """Only networks become graphs."""
        if model.runtime == RUNTIME:
            return ["it is an ONNX graph already"]
        if model.runtime != NETWORK:
            return [f"it runs on {model.runtime}, which is no network and needs no torch"]
        return []

    def export(self, job: ExportJob) -> ExportReport:
        """Write, read back, compare, and ask a process without torch what it needs.

        A graph that drifts is not left behind, and what stood at ``job.path`` is still there.

        Raises:
            ConfigError: no sample rows, or a network that cannot be followed.
            ArtifactError: the folder holds something else, or gives other outputs.
        """
        started = time.monotonic()
        model, sample = job.model, job.sample
        if sample is None or not len(sample):
            raise ConfigError(
                "the network is followed while it runs, and there are no rows to run it on",
                plugin="onnx:onnx",
                remedy="give some: predictor.export(path, format='onnx', sample=rows), or "
                "mm export model/ out/ --sample rows.csv",
            )
        graph = replace(model, engine=self._engine(model, sample), runtime=RUNTIME)
        with tempfile.TemporaryDirectory(prefix="mm-onnx-") as name:
            tried = tools.save_model(graph, job.result, job.registry, Path(name) / "model")
            read, _ = tools.load_model(tried, job.registry)
            parity = compare(model, read, sample)
            self._check(parity)
            lines = requirements(tried, sample, job.registry)
        tools.save_model(graph, job.result, job.registry, job.path)
        (job.path / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        said = {"precision": self.config.precision, **parity.as_json()}
        (job.path / REPORT).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        seconds = time.monotonic() - started
        figures = {
            "one row, ms": said["one_row_ms"],
            "rows a second": said["rows_per_second"],
        }
        found = parity.max_abs_diff, parity.label_agreement
        return ExportReport(job.path, *found, seconds, figures)

    def _engine(self, model: Any, sample: Any) -> GraphEngine:
        with tempfile.TemporaryDirectory(prefix="mm-onnx-") as name:
            file = Path(name) / FILE
            options = model.pipeline.options
            fixed = write_graph(model.topology, _followed(model, sample), options, file)
            lighter(file, self.config.precision)
            return GraphEngine(file.read_bytes(), self.config.precision, fixed)

    def _check(self, parity: Parity) -> None:
        """
        Raises:
            ArtifactError: the graph drifts.
        """
        full = self.config.precision == "32"
        if full and not parity.drift <= self.config.tolerance:
            raise ArtifactError(
                f"outputs of the graph differ from the model's by {parity.max_abs_diff:.3g}",
                value=parity.max_abs_diff,
                remedy="use the model itself, or allow it: tolerance=...",
            )
        if not full and parity.label_agreement < self.config.agreement:
            raise ArtifactError(
                f"in {self.config.precision} the graph gives another answer than the model in "
                f"{1 - parity.label_agreement:.1%} of {parity.rows} rows",
                value=parity.label_agreement,
                remedy="export with precision='32', or allow it: agreement=...",
            )


def _followed(model: Any, sample: Any) -> Any:
    """A batch of two rows or more."""
    n = len(sample)
    rows = np.arange(max(2, min(n, ROWS))) % n
    frame = model.pipeline.encode(sample.take(rows))
    return next(iter(model.pipeline.arrays(frame, len(rows))))[0]
