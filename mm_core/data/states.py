"""States of components as files: arrays as safetensors, small files as they are; JSON elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from mm_core.api.processors import State

ARRAYS = "arrays.safetensors"
ASSETS = "assets"


def write_state(state: State, folder: Path) -> None:
    """Write arrays and small files; the folder is made where there are any. The JSON is not."""
    if state.arrays:
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {name: np.ascontiguousarray(array) for name, array in state.arrays.items()}
        safetensors.numpy.save_file(arrays, str(folder / ARRAYS))
    for name, content in state.assets.items():
        (folder / ASSETS).mkdir(parents=True, exist_ok=True)
        (folder / ASSETS / name).write_bytes(content)


def read_state(folder: Path, values: Mapping[str, Any]) -> State:
    """What :func:`write_state` wrote, with the JSON that was kept elsewhere."""
    arrays, assets = folder / ARRAYS, folder / ASSETS
    return State(
        values=dict(values),
        arrays=safetensors.numpy.load_file(arrays) if arrays.is_file() else {},
        assets={file.name: file.read_bytes() for file in sorted(assets.iterdir())}
        if assets.is_dir()
        else {},
    )
