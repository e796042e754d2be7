"""timm networks and their weights, read strictly and without a network connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
import torch
from torch import Tensor, nn

from mm_core.api import Checkpoint, CheckpointError

PLUGIN = "image:timm"

_REFUSED = {
    "cache_dir",
    "checkpoint_path",
    "exportable",
    "features_only",
    "model_name",
    "num_classes",
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "scriptable",
}
"""Arguments of ``timm.create_model`` that read files or change what the model gives."""


_DOES_NOT_FIT = (
    AssertionError,
    AttributeError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What torch, safetensors and timm's converters raise on weights of another network."""


def create_model(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """An untrained timm model without classifier. Reads no file, asks no hub.

    Raises:
        CheckpointError: timm has no such architecture, or it takes no such argument.
    """
    _check_architecture(name, arguments)
    try:
        model: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, **arguments)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise _cannot_build(name, arguments, error) from error
    _call_projections(model)
    return model


def _call_projections(model: nn.Module) -> None:
    """Attention of BEiT, EVA and SwinV2 calls its projection, and adds the biases after it.

    By default it computes with the projection's weights past the layer, and an adapter that wraps
    the layer would do nothing.
    """
    for module in model.modules():
        if hasattr(module, "qkv_bias_separate"):
            module.qkv_bias_separate = True


def own_size(name: str) -> list[int]:
    """[height, width] of the images that an architecture of timm's was made for; [] unknown."""
    registered = timm.models.get_pretrained_cfg(name, allow_unregistered=True)
    return list(registered.input_size[1:]) if registered else []


def fixed_size(name: str) -> bool:
    """Whether the architecture is built for one image size, its argument ``img_size``."""
    _check_architecture(name, {})
    registered = timm.models.get_pretrained_cfg(name, allow_unregistered=True)
    return bool(registered and registered.fixed_input_size)


def load_weights(model: nn.Module, checkpoint: Checkpoint, arguments: Mapping[str, Any]) -> None:
    """Fill ``model``, made by :func:`create_model`, from ``checkpoint``.

    The checkpoint is loaded strictly into the architecture with its classifier, then copied: a
    tensor that is missing, left over, or of another shape is an error, never a random layer.

    Raises:
        CheckpointError: the weights do not fit the architecture.
    """
    source = stored_weights(checkpoint, arguments)
    try:
        model.load_state_dict({key: source[key] for key in model.state_dict()})
    except _DOES_NOT_FIT as error:
        raise _misfit(checkpoint, error) from error


def stored_weights(checkpoint: Checkpoint, arguments: Mapping[str, Any]) -> dict[str, Tensor]:
    """All weights of ``checkpoint``, its classifier's too, under timm's names.

    Raises:
        CheckpointError: the weights do not fit the architecture.
    """
    try:
        read = _read_by_order if checkpoint.details["ordered"] else _read_by_name
        return dict(read(checkpoint, arguments).state_dict())
    except _DOES_NOT_FIT as error:
        raise _misfit(checkpoint, error) from error


def _misfit(checkpoint: Checkpoint, error: Exception) -> CheckpointError:
    name = checkpoint.details["architecture"]
    return CheckpointError(
        f"the weights of {checkpoint.name!r} ({checkpoint.source}) do not fit {name}: {error}",
        plugin=PLUGIN,
        value=checkpoint.details["weights"],
        remedy="check the architecture named beside the weights",
    )


def _read_by_name(checkpoint: Checkpoint, arguments: Mapping[str, Any]) -> nn.Module:
    """timm's own format; timm adapts position embeddings to another image size."""
    name = checkpoint.details["architecture"]
    _check_architecture(name, arguments)
    model: nn.Module = timm.create_model(
        name,
        pretrained=True,
        pretrained_cfg=dict(checkpoint.details["pretrained_cfg"]),
        pretrained_cfg_overlay={"file": checkpoint.details["weights"], "source": None},
        **arguments,
    )
    return model


def _read_by_order(checkpoint: Checkpoint, arguments: Mapping[str, Any]) -> nn.Module:
    """A state dict under other names, whose entries stand in timm's order."""
    model: nn.Module = timm.create_model(
        checkpoint.details["architecture"], pretrained=False, **arguments
    )
    stored: dict[str, Tensor] = torch.load(
        checkpoint.details["weights"], map_location="cpu", weights_only=True
    )
    model.load_state_dict(dict(zip(model.state_dict(), stored.values(), strict=True)))
    return model


def _check_architecture(name: str, arguments: Mapping[str, Any]) -> None:
    if not timm.is_model(name):
        raise CheckpointError(
            f"timm has no architecture {name!r}",
            plugin=PLUGIN,
            value=name,
            remedy="timm.list_models('*...*') lists the architectures of the installed timm",
        )
    refused = sorted(_REFUSED.intersection(arguments))
    if refused:
        raise CheckpointError(
            f"arguments {', '.join(refused)} of {name} are not allowed here", plugin=PLUGIN
        )


def _cannot_build(name: str, arguments: Mapping[str, Any], error: Exception) -> CheckpointError:
    return CheckpointError(
        f"timm cannot build {name} with {dict(arguments)}: {error}",
        plugin=PLUGIN,
        value=name,
        remedy="leave image_size at its default, or choose another checkpoint"
        if "img_size" in arguments
        else "choose another architecture",
    )
