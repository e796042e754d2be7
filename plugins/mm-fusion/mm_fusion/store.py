"""Latents on disk, found by the content that they were computed from.

A file's name is the hash of all that its latents depend on: the backbones' weights and settings,
and the arrays that they read, as the processors gave them. One other pixel, weight or setting is
another name: nothing kept can be stale, and nothing has to be cleared when a picture, a checkpoint
or a processor changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mm_core.api import Batch, ConfigError, MMWarning
from mm_core.api.nn import Topology
from mm_fusion.folder import BACKBONES, ENDING, ROWS


class LatentStore:
    """A folder of latents.

    Args:
        folder: is made where there is none.
        most_gb: size of the folder from which on nothing more is written.
        topology: whose backbones encode, with the weights that they have now.
        labels: what the backbones are called, for people (``mm cache``).

    Raises:
        ConfigError: there is no such folder, and none can be made.
    """

    def __init__(
        self, folder: Path, most_gb: float, topology: Topology, labels: Sequence[str] = ()
    ) -> None:
        self._folder = folder
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"no latents can be kept in {folder}: {error.strerror}",
                value=str(folder),
                remedy="name another folder: fit.cache",
            ) from error
        self._most = most_gb * 1e9
        self._size = float(sum(file.stat().st_size for file in self._folder.glob(f"*{ENDING}")))
        self._backbones = _of_backbones(topology)
        self._inputs = sorted({one for own in topology.backbone_inputs.values() for one in own})
        self._labels = json.dumps(list(labels))
        self._told = False

    def key(self, batch: Batch, keep: Iterable[str]) -> str:
        """Name of the latents of a batch of numpy arrays."""
        digest = hashlib.sha256(self._backbones)
        digest.update(json.dumps(sorted(keep)).encode())
        for name in self._inputs:
            _take_in(digest, name, batch.present[name])
            for array, value in sorted(batch.inputs[name].items()):
                _take_in(digest, f"{name}.{array}", value)
        return digest.hexdigest()

    def get(self, key: str) -> dict[str, Tensor] | None:
        """Latents by name; None: they are not kept, or their file is damaged."""
        file = self._folder / f"{key}{ENDING}"
        try:
            found = load_file(file)
        except (FileNotFoundError, SafetensorError):
            return None
        with suppress(OSError):  # a folder that may only be read serves as well
            file.touch()  # it was used: what is longest unused goes first
        return found

    def put(self, key: str, latents: dict[str, Tensor], rows: int) -> None:
        """Keep them, while there is room; a file is there whole or not at all.

        What cannot be written is told, and is no reason to end a fit.
        """
        size = sum(value.numel() * value.element_size() for value in latents.values())
        if self._size + size > self._most:
            self._tell(
                f"{self._folder} holds {self._size / 1e9:.1f} GB of latents, and takes no more: "
                f"mm cache {self._folder} --clear, or raise fit.cache_gb"
            )
            return
        file = self._folder / f"{key}{ENDING}"
        unfinished = file.with_name(f"{file.name}.{os.getpid()}")
        try:
            save_file(latents, unfinished, {BACKBONES: self._labels, ROWS: str(rows)})
            unfinished.replace(file)
        except (OSError, SafetensorError) as error:
            with suppress(OSError):
                unfinished.unlink()
            self._tell(
                f"latents are not kept: {self._folder} cannot be written to ({error}); make room, "
                "or name another folder: fit.cache"
            )
            return
        self._size += size

    def _tell(self, why: str) -> None:
        """Why something is not kept, once."""
        if not self._told:
            self._told = True
            warnings.warn(MMWarning(why), stacklevel=2)


def _of_backbones(topology: Topology) -> bytes:
    """Hash of what the latents of a given batch depend on."""
    digest = hashlib.sha256(f"{type(topology).__module__}:{type(topology).__qualname__}".encode())
    for name, backbone in topology.backbones.items():
        kind = f"{type(backbone).__module__}:{type(backbone).__qualname__}"
        module: Any = backbone
        said = [name, kind, module.config.model_dump(mode="json"), module.architecture]
        digest.update(json.dumps([*said, topology.backbone_inputs[name]], default=str).encode())
        for key, value in backbone.state_dict().items():
            _take_in(digest, key, _bytes_of(value))
    # A prompt stands in what a processor says of itself, and not in its arrays.
    read = {one for own in topology.backbone_inputs.values() for one in own}
    infos = {name: dict(info) for name, info in topology.infos.items() if name in read}
    roles = {role: list(names) for role, names in topology.roles.items()}
    said = [topology.shared, roles, infos]
    digest.update(json.dumps(said, sort_keys=True, default=str).encode())
    return digest.digest()


def _bytes_of(value: Tensor) -> np.ndarray:
    flat = value.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy() if flat.numel() else np.zeros(0, np.uint8)


def _take_in(digest: Any, name: str, value: Any) -> None:
    """A name, the shape and type of an array, and its bytes; of lists each entry."""
    for path, array in _arrays(name, value):
        digest.update(f"{path} {array.dtype} {array.shape} ".encode())
        if array.dtype.kind in "OUS":
            digest.update(json.dumps(array.tolist(), default=str).encode())
        else:
            digest.update(np.ascontiguousarray(array).data)


def _arrays(name: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _arrays(f"{name}.{key}", value[key])
    elif isinstance(value, list | tuple):
        for position, one in enumerate(value):
            yield from _arrays(f"{name}[{position}]", one)
    else:
        yield name, np.asarray(value)
