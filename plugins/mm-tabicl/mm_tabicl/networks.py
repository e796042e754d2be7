"""TabICL's network as a file of safetensors, its shape in the header. Imports torch."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from tabicl._model.tabicl import TabICL

from mm_tabicl.said import first_line

_KEY = "tabicl"


@dataclass(frozen=True)
class Network:
    """A network and what it was built from.

    Attributes:
        module: in evaluation mode.
        config: arguments of ``TabICL``, JSON-able.
    """

    module: TabICL
    config: Mapping[str, Any]

    @property
    def classes(self) -> int:
        """It tells apart at a time; 0: it answers with numbers."""
        return int(self.module.max_classes)

    @property
    def size(self) -> int:
        """Bytes of its weights."""
        return sum(one.numel() * one.element_size() for one in self.module.state_dict().values())


def built(config: Any, weights: Mapping[str, torch.Tensor]) -> Network:
    """The network of that shape with these weights.

    Raises:
        ValueError: they do not fit each other, or are none of TabICL.
    """
    known = set(inspect.signature(TabICL).parameters)
    if not isinstance(config, dict) or not set(config) <= known:
        raise ValueError("its config names other settings than TabICL has")
    if any(type(value) not in (bool, int, float, str) for value in config.values()):
        raise ValueError("its config holds something else than numbers and words")
    try:
        module = TabICL(**config)
        module.load_state_dict(weights)
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        KeyError,
        RuntimeError,
        TypeError,
    ) as error:
        raise ValueError(f"config and weights do not fit: {first_line(error)}") from error
    return Network(module.eval(), config)


def write(network: Network, file: Path) -> None:
    """One file that :func:`read` needs nothing beside."""
    weights = {key: one.cpu().contiguous() for key, one in network.module.state_dict().items()}
    safetensors.torch.save_file(weights, file, metadata={_KEY: json.dumps(dict(network.config))})


def read(file: Path) -> Network:
    """The network of a file that :func:`write` wrote.

    Raises:
        ValueError: it is none.
    """
    try:
        with safetensors.safe_open(file, framework="pt") as found:
            header = found.metadata() or {}
            weights = {key: found.get_tensor(key) for key in found.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise ValueError(f"it is no file of safetensors: {error}") from error
    if _KEY not in header:
        raise ValueError("its header does not say the shape of a TabICL network")
    return built(json.loads(header[_KEY]), weights)
