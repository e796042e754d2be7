"""Where a network comes from: a file of the user's, the hub's cache, the hub. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from mm_core.api import CheckpointError
from mm_tabicl import networks
from mm_tabicl.networks import Network
from mm_tabicl.said import first_line

PLUGIN = "tabicl:in_context"
REPOSITORY = "jingang/TabICL"
CLASSES = (
    "tabicl-classifier-v2-20260212.ckpt",
    "tabicl-classifier-v1.1-20250506.ckpt",
    "tabicl-classifier-v1-20250208.ckpt",
)
NUMBERS = ("tabicl-regressor-v2-20260212.ckpt",)
"""What is published, the newest first."""

HUB_SECONDS = 3.0
"""How long the hub may take to answer at all."""


def network(name: str | None, *, numbers: bool) -> Network:
    """The network of a file, or of a published name; None: the newest that answers so.

    Args:
        name: what the user set.
        numbers: whether numbers are asked for, and not classes.

    Raises:
        CheckpointError: there is no such file and no such name, it cannot be fetched, it is no
            network of TabICL's, or one of the other kind.
    """
    file = _file(name or (NUMBERS if numbers else CLASSES)[0])
    found = _read(file)
    if numbers is not (found.classes == 0):
        has, wants = ("numbers", "classes") if found.classes == 0 else ("classes", "numbers")
        raise CheckpointError(
            f"{file.name} answers with {has}, and the label asks for {wants}",
            plugin=PLUGIN,
            value=name,
            remedy=f"name one for {wants}, such as {(NUMBERS if numbers else CLASSES)[0]}",
        )
    return found


def _file(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if name in (*CLASSES, *NUMBERS):
        return _from_hub(name)
    raise CheckpointError(
        f"fit.checkpoint={name!r}: there is no such file, and none of this name is published",
        plugin=PLUGIN,
        value=name,
        remedy=f"name a file, or one of {', '.join((*CLASSES, *NUMBERS))}",
    )


def _from_hub(name: str) -> Path:
    """What an earlier download left in the hub's cache; else a download."""
    from huggingface_hub import HfApi, errors, hf_hub_download, try_to_load_from_cache

    cached = try_to_load_from_cache(REPOSITORY, name)
    if isinstance(cached, str):
        return Path(cached)
    http: Any = getattr(errors, "HTTPError", OSError)
    try:
        HfApi().model_info(REPOSITORY, timeout=HUB_SECONDS)  # a download would try for longer
        return Path(hf_hub_download(REPOSITORY, name))
    except (OSError, http) as error:
        raise CheckpointError(
            f"the weights {name} are not on this machine, and cannot be fetched from the hub: "
            f"{first_line(error)}",
            plugin=PLUGIN,
            value=name,
            remedy=f"download https://huggingface.co/{REPOSITORY}/resolve/main/{name} where there "
            "is a network, and name the file: --set fit.checkpoint=FILE",
        ) from error


def _read(file: Path) -> Network:
    """The network of a file, of which nothing is executed."""
    try:
        if file.suffix == ".safetensors":
            return networks.read(file)
        return networks.built(*_published(file))
    except (UnpicklingError, RuntimeError, EOFError, LookupError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{file} is no checkpoint of TabICL that can be read without running code: "
            f"{first_line(error)}",
            plugin=PLUGIN,
            value=str(file),
            remedy="name a .ckpt file that TabICL publishes, or network.safetensors of a saved "
            "model",
        ) from error


def _published(file: Path) -> tuple[Any, Mapping[str, torch.Tensor]]:
    """``config`` and ``state_dict``, as TabICL's own files hold them."""
    found = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(found, Mapping) or not {"config", "state_dict"} <= set(found):
        raise ValueError("it holds no config and state_dict")
    return found["config"], found["state_dict"]
