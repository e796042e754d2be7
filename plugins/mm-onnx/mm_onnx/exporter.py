"""``onnx``: the same pipeline with a graph in the place of its network."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mm_core.api import Exporter, ExportJob, ExportReport, tools
from mm_onnx.arrays import flat
from mm_onnx.configs import OnnxConfig
from mm_onnx.engine import GraphEngine
from mm_onnx.graphs import RUNTIME, graph_of, reasons_against
from mm_onnx.parity import compare, refuse_drift
from mm_onnx.requirements import requirements

REPORT = "export.json"
STATIC = "int8_static"
AT_ONCE = 4
"""Rows that ranges are measured on together, where each is let go."""


class OnnxExporter(Exporter):
    """Writes a model folder; ``requirements.txt`` and ``export.json`` in it."""

    config: OnnxConfig

    def check(self, model: Any) -> list[str]:
        """Only networks become graphs."""
        if model.runtime == RUNTIME:
            return ["it is an ONNX graph already"]
        return reasons_against(model)

    def export(self, job: ExportJob) -> ExportReport:
        """Write, read back, compare, and ask a process without torch what it needs.

        A graph that drifts is not left behind, and what stood at ``job.path`` is still there.

        Raises:
            ConfigError: no sample rows, or a network that cannot be followed.
            ArtifactError: the folder holds something else, or gives other outputs.
        """
        started = time.monotonic()
        model = job.model
        engine, sample = self._engine(model, job.sample)
        graph = replace(model, engine=engine, runtime=RUNTIME)
        with tempfile.TemporaryDirectory(prefix="mm-onnx-") as name:
            tried = tools.save_model(graph, job.result, job.registry, Path(name) / "model")
            read, _ = tools.load_model(tried, job.registry)
            parity = compare(model, read, sample)
            refuse_drift(parity, self.config)
            lines = requirements(tried, sample, job.registry)
        tools.save_model(graph, job.result, job.registry, job.path)
        (job.path / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        said = {"precision": self.config.precision, **parity.as_json()}
        if self.config.precision == STATIC:
            measured = max(len(job.sample) - parity.rows, 1)
            said |= {"calibration": self.config.calibration, "calibration_rows": measured}
        (job.path / REPORT).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        seconds = time.monotonic() - started
        figures = {
            "one row, ms": said["one_row_ms"],
            "rows a second": said["rows_per_second"],
        }
        found = parity.max_abs_diff, parity.label_agreement
        return ExportReport(job.path, *found, seconds, figures)

    def _engine(self, model: Any, sample: Any) -> tuple[GraphEngine, Any]:
        """What answers, and the rows that it is compared on."""
        precision = self.config.precision
        measured, kept = None, sample
        if precision == STATIC and sample is not None:
            measured, kept = _halves(sample, self.config.calibration_rows)

        def change(file: Path) -> None:
            if measured is not None:
                from mm_onnx.static import calibrated

                # onnxruntime keeps all that entropy is measured on, and wants it of one shape.
                most = AT_ONCE if self.config.calibration == "minmax" else len(measured)
                rows = _read(model, measured, most)
                calibrated(file, rows, self.config.calibration, self.config.weight_bits)

        graph, fixed = graph_of(model, sample, RUNTIME, precision, change)
        return GraphEngine(graph, precision, fixed, model.pipeline.task), kept


def _halves(sample: Any, most: int) -> tuple[Any, Any]:
    """Rows that ranges are measured on, spread over all, and the others; of one row it."""
    n = len(sample)
    if n < 2:
        return sample, sample
    measured = np.linspace(0, n - 1, min(most, n // 2)).astype(int)
    others = np.setdiff1d(np.arange(n), measured)
    return sample.take(measured), sample.take(others)


def _read(model: Any, rows: Any, most: int) -> Iterator[dict[str, Any]]:
    """Arrays of some rows by name, so many at a time."""
    for batch, _ in model.pipeline.arrays(model.pipeline.encode(rows), most):
        yield flat(batch)
