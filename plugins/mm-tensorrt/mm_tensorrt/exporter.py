"""``tensorrt``: the same pipeline with a TensorRT engine in the place of its network."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import onnx.inliner
from mm_onnx.api import compare, flat, graph_of, reasons_against, refuse_drift

from mm_core.api import (
    ConfigError,
    Exporter,
    ExportJob,
    ExportReport,
    RunSettings,
    tools,
)
from mm_tensorrt import library, provider
from mm_tensorrt.building import build
from mm_tensorrt.configs import TensorRTConfig
from mm_tensorrt.engine import TensorRTEngine
from mm_tensorrt.library import PLUGIN
from mm_tensorrt.ranges import Range, ranges

REPORT = "export.json"
AT_ONCE = 32


class TensorRTExporter(Exporter):
    """Writes a model folder; ``export.json`` in it."""

    config: TensorRTConfig

    def check(self, model: Any) -> list[str]:
        """Networks and their ONNX graphs, where TensorRT is."""
        reasons = reasons_against(model)
        lacking, other = library.missing(), provider.missing()
        if lacking is not None and other is not None:
            reasons.append(f"{lacking}; or {provider.TYPE}")
        return reasons

    def export(self, job: ExportJob) -> ExportReport:
        """Build, write, read back and compare; an engine that drifts is not left behind.

        Raises:
            ConfigError: no sample rows, or a graph that cannot be written or built.
            ArtifactError: the folder holds something else, or gives other outputs.
        """
        started = time.monotonic()
        model, sample = job.model, job.sample
        if sample is None or not len(sample):
            raise ConfigError(
                "an engine is built for shapes, and there are no rows to learn them from",
                plugin=PLUGIN,
                remedy="give some: predictor.export(path, format='tensorrt', sample=rows), or "
                "mm export model/ out/ --format tensorrt --sample rows.csv",
            )
        graph, fixed = graph_of(model, sample, PLUGIN)
        graph = _inlined(graph)
        known = self._shapes(model, sample, graph)
        plan = None if library.missing() else build(library.libraries(), graph, known, self.config)
        engine = TensorRTEngine(
            graph, plan, self.config.precision, known, fixed, job.model.pipeline.task
        )
        made = replace(model, engine=engine, runtime=PLUGIN)
        with tempfile.TemporaryDirectory(prefix="mm-tensorrt-") as name:
            tried = tools.save_model(made, job.result, job.registry, Path(name) / "model")
            read, _ = tools.load_model(tried, job.registry)
            parity = compare(model, read, sample, RunSettings())
            refuse_drift(parity, self.config, "engine", PLUGIN)
        tools.save_model(made, job.result, job.registry, job.path)
        said = {"precision": self.config.precision, "way": engine.way, **parity.as_json()}
        (job.path / REPORT).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        figures = {
            "answers by": engine.way,
            "one row, ms": said["one_row_ms"],
            "rows a second": said["rows_per_second"],
        }
        found = parity.max_abs_diff, parity.label_agreement
        return ExportReport(job.path, *found, time.monotonic() - started, figures)

    def _shapes(self, model: Any, sample: Any, graph: bytes) -> dict[str, Range]:
        frame = model.pipeline.encode(sample)
        seen = (flat(batch) for batch, _ in model.pipeline.arrays(frame, AT_ONCE))
        return ranges(graph, seen, _longest(model, self.config.longest), self.config)


def _longest(model: Any, asked: int | None) -> Mapping[str, int]:
    """By input: what was asked for, or what its processor lets through, where it tells."""
    told = {name: one.info.get("max_length") for name, one in model.processors.items()}
    return {name: int(asked or most) for name, most in told.items() if asked or most}


def _inlined(graph: bytes) -> bytes:
    """Without functions, which the parser may not know."""
    content: bytes = onnx.inliner.inline_local_functions(
        onnx.load_from_string(graph)
    ).SerializeToString()
    return content
