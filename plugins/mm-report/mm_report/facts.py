"""Timing, sizes and versions: what a model costs and what it was made with."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from mm_core.api.tools import components
from mm_report.tested import Tested

REPEATS = 5
UNITS = ("B", "kB", "MB", "GB")
LIBRARIES = ("numpy", "pandas", "torch", "transformers", "timm", "onnxruntime", "scikit-learn")


def speed(tested: Tested) -> dict[str, float]:
    """Milliseconds of one row, warm (median), and rows a second of all, here and now."""
    one = tested.table.take(np.zeros(1, dtype=int))
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        tested.asked(one)
        taken.append(time.perf_counter() - started)
    return {
        "one_row_ms": round(float(np.median(taken)) * 1000, 2),
        "rows": len(tested),
        "seconds": round(tested.seconds, 3),
        "rows_per_second": round(len(tested) / tested.seconds, 1),
    }


def parameters(model: Any) -> int | None:
    """Of a network; None: it is none, or does not say."""
    module = getattr(model.engine, "topology", None)
    if module is None or not hasattr(module, "parameters"):
        return None
    return sum(one.numel() for one in module.parameters())


def files(folder: Path | None) -> dict[str, int]:
    """Bytes by file of a saved model, the largest first."""
    if folder is None:
        return {}
    found = {
        one.relative_to(folder).as_posix(): one.stat().st_size
        for one in folder.rglob("*")
        if one.is_file()
    }
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def versions(tested: Tested) -> dict[str, str]:
    """Of Python, of the distributions whose components the model uses, and of what they use."""
    found = {"Python": platform.python_version(), "mm-core": _version("mm-core") or "?"}
    for _, component in components(tested.recipe, tested.registry):
        plugin = component.plugin
        if plugin.distribution is not None and plugin.version is not None:
            found[plugin.distribution] = plugin.version
    for name in LIBRARIES:
        version = _version(name)
        if version is not None:
            found[name] = version
    return found


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def readable(size: float) -> str:
    """``"1.3 MB"``."""
    for unit in UNITS:
        if size < 1000 or unit == UNITS[-1]:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError
