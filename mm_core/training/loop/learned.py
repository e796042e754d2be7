"""What a topology learned that stands in no tensor of it, for the time between two steps.

It goes wherever the weights go. As tensors and plain values, so that torch reads it back without
executing anything; a copy, so that training on changes nothing of it.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from mm_core.api.nn import Topology
from mm_core.api.processors import State

Learned = dict[str, Any]


def learned(network: Any) -> Learned:
    """Of a topology, what :meth:`Topology.state` gives; empty: nothing, or it is a part of one."""
    if not isinstance(network, Topology):
        return {}
    state = network.state()
    if state == State():
        return {}
    return {
        "values": copy.deepcopy(state.values),
        "arrays": {name: torch.tensor(array) for name, array in state.arrays.items()},
        "assets": {
            name: torch.tensor(np.frombuffer(content, np.uint8))
            for name, content in state.assets.items()
        },
    }


def take_back(network: Any, found: Mapping[str, Any]) -> None:
    """Give a topology what :func:`learned` gave."""
    if found and isinstance(network, Topology):
        state = State(
            values=copy.deepcopy(found["values"]),
            arrays={name: value.numpy().copy() for name, value in found["arrays"].items()},
            assets={name: value.numpy().tobytes() for name, value in found["assets"].items()},
        )
        network.load_state(state)


def checksum(network: Any) -> list[int]:
    """A whole number of it that no other has; none where there is nothing."""
    found = learned(network)
    if not found:
        return []
    digest = hashlib.blake2b(json.dumps(found["values"], sort_keys=True).encode(), digest_size=8)
    for name, value in sorted({**found["arrays"], **found["assets"]}.items()):
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    return [int.from_bytes(digest.digest(), "little", signed=True)]
