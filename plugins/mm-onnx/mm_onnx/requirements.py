"""What has to be installed where a model answers: what a new process imports that answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from mm_core.api import ConfigError

MANIFEST = "mm_model.json"
GROUP = "mm_core.plugins"
LINES = 8


def requirements(folder: Path, sample: Any, registry: Any) -> list[str]:
    """``name==version`` of each distribution that loading the model and predicting import.

    One-file plugins are none: they go along by themselves.

    Args:
        folder: of the saved model.
        sample: rows (a ``Table``) that it answers in the new process.
        registry: what is installed.

    Raises:
        ConfigError: the rows cannot be given to another process, or it fails.
    """
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    used = {one["name"]: one for one in manifest["plugins"]}
    files = [one.file for one in registry.plugins if one.file is not None and one.name in used]
    found = {"mm-core": manifest["mm_core"]}
    found |= {one["distribution"]: one["version"] for one in used.values() if one["distribution"]}
    plugins = {entry.dist.name for entry in metadata.entry_points(group=GROUP) if entry.dist}
    for name in _distributions(_imported(folder, sample, files, used)):
        if name not in plugins:  # of these the model says which it needs
            found.setdefault(name, metadata.version(name))
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def _distributions(modules: Iterable[str]) -> set[str]:
    """Names of the distributions that these top-level modules are of."""
    known = metadata.packages_distributions()
    return {name for module in modules for name in known.get(module, ())}


def _imported(
    folder: Path, sample: Any, files: Iterable[Path], used: Mapping[str, Any]
) -> list[str]:
    """Top-level modules of a process in which the model has answered."""
    with tempfile.TemporaryDirectory(prefix="mm-onnx-") as name:
        rows = Path(name) / "rows.parquet"
        try:
            sample.frame.to_parquet(rows)
        except (TypeError, ValueError) as error:  # pyarrow's own are ValueErrors
            raise ConfigError(
                f"these sample rows cannot be written to a file: {error}",
                remedy="give rows whose pictures are paths",
            ) from error
        done = subprocess.run(
            [sys.executable, "-m", "mm_onnx.answering", folder.resolve(), rows, *files],
            cwd=sample.folder,  # where relative paths in its cells start
            env=os.environ | {"MM_PLUGINS": ",".join(sorted(set(used) - _named(files)))},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            said = "\n".join(done.stderr.strip().splitlines()[-LINES:])
            raise ConfigError(f"in a new process the exported model does not answer:\n{said}")
        modules: list[str] = json.loads(rows.with_suffix(".json").read_text(encoding="utf-8"))
        return modules


def _named(files: Iterable[Path]) -> set[str]:
    return {file.stem for file in files}
