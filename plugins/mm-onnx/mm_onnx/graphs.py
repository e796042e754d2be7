"""The graph of a model: written by following its network, or the one that it has. No torch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mm_core.api import ConfigError
from mm_onnx.arrays import FILE
from mm_onnx.lighter import lighter

RUNTIME = "onnx:onnx"
NETWORK = "core:network"
ROWS = 8
"""Sample rows that the network is followed with."""


def reasons_against(model: Any) -> list[str]:
    """Why a model has no graph; empty: it has, or one can be written."""
    if model.runtime in (NETWORK, RUNTIME):
        return []
    return [f"it runs on {model.runtime}, which is no network and needs no torch"]


def graph_of(
    model: Any,
    sample: Any,
    plugin: str,
    precision: str = "32",
    change: Callable[[Path], None] | None = None,
) -> tuple[bytes, dict[str, Any]]:
    """The content of a graph's file, and options of the task that are computed in.

    Args:
        model: a network, or one that :mod:`mm_onnx` wrote.
        sample: rows that the network is followed with.
        plugin: that asks, for messages.
        precision: of the weights, see :func:`mm_onnx.lighter.lighter`.
        change: of the file, last.

    Raises:
        ConfigError: no sample rows, or a network that cannot be followed.
    """
    if model.runtime == RUNTIME:
        return model.engine.graph, dict(model.engine.fixed)
    if sample is None or not len(sample):
        raise ConfigError(
            "the network is followed while it runs, and there are no rows to run it on",
            plugin=plugin,
            remedy="give some: predictor.export(path, ..., sample=rows), or "
            "mm export model/ out/ --sample rows.csv",
        )
    from mm_onnx.network import write_graph

    with tempfile.TemporaryDirectory(prefix="mm-onnx-") as name:
        file = Path(name) / FILE
        fixed = write_graph(model.topology, _followed(model, sample), model.pipeline.options, file)
        lighter(file, precision)
        if change is not None:
            change(file)
        return file.read_bytes(), fixed


def _followed(model: Any, sample: Any) -> Any:
    """A batch of two rows or more."""
    n = len(sample)
    rows = np.arange(max(2, min(n, ROWS))) % n
    frame = model.pipeline.encode(sample.take(rows))
    return next(iter(model.pipeline.arrays(frame, len(rows))))[0]
