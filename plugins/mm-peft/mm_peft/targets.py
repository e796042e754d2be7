"""Which layers of a backbone take an adapter; found by their types, for any backbone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from torch import nn
from transformers.pytorch_utils import Conv1D

from mm_core.api import ConfigError, suggest
from mm_core.api.nn import Backbone

_SHOWN = 6

Weights = tuple[Any, ...]
"""A type of layer, and ``id`` of its parameters."""

_PAST_THEIR_LAYERS = (nn.MultiheadAttention, nn.TransformerEncoderLayer)
"""Modules of torch that compute with the weights of their layers instead of calling them."""


def find_targets(backbone: Backbone, pattern: str | None, plugin: str) -> list[str]:
    """Names of the layers that match, of all that can take an adapter.

    Of layers with the same weights, the first: tied ones have one adapter too.

    Raises:
        ConfigError: there is none; names some that are there.
    """
    layers = list(_layers(backbone, ""))
    found = [name for name in layers if pattern is None or re.fullmatch(pattern, name)]
    if not found:
        near = suggest(pattern or "", layers)
        shown = ", ".join(layers[:_SHOWN]) + (", ..." if len(layers) > _SHOWN else "")
        raise ConfigError(
            f"no layer of {type(backbone).__name__} matches targets={pattern!r}"
            if layers
            else f"{type(backbone).__name__} has no layer that takes {plugin}",
            plugin=plugin,
            value=pattern,
            remedy=(f"did you mean {near!r}? " if near else "") + f"its layers: {shown}"
            if layers
            else "choose peft:norm_tuning, peft:bitfit or peft:frozen",
        )
    first: dict[Weights, str] = {}
    for name in found:
        first.setdefault(weights_of(backbone.get_submodule(name)), name)
    return list(first.values())


def weights_of(layer: nn.Module) -> Weights:
    """Which weights a layer computes with: the same of layers that are tied."""
    return type(layer), *(id(one) for one in layer.parameters(recurse=False))


def _layers(module: nn.Module, prefix: str) -> Iterator[str]:
    for name, child in module.named_children():
        if isinstance(child, _PAST_THEIR_LAYERS):
            continue
        if _takes_an_adapter(child):
            yield prefix + name
        else:
            yield from _layers(child, f"{prefix}{name}.")


def _takes_an_adapter(module: nn.Module) -> bool:
    """Exact types only: a subclass may compute otherwise, such as one with padding of its own.

    A convolution in groups has hardly more weights than its update would have, and cannot be
    merged; of a dilated one peft makes an update of another shape.
    """
    if type(module) is nn.Conv2d:
        plain = module.padding_mode == "zeros" and set(module.dilation) == {1}
        return plain and module.groups == 1
    return type(module) in (nn.Linear, Conv1D)
