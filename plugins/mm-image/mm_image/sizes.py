"""Whether a network takes images of a size, before the first step. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from mm_core.api import CheckpointError, ConfigError
from mm_image.weights import PLUGIN, create_model

_REFUSES = (AssertionError, IndexError, RuntimeError, TypeError, ValueError)
"""What timm's networks and torch raise on a size that does not divide."""

_STEPS = (8, 12, 14, 16, 28, 32, 64)
"""Sides of patches and windows, and strides: sizes that networks take are multiples of these."""


def model_of_size(
    name: str, arguments: Mapping[str, Any], size: Sequence[int], own: Sequence[int], where: str
) -> nn.Module:
    """An untrained model that takes images of ``size``.

    At the size that it was made for it is not tried; at another one image of zeros is.

    Args:
        name: timm's.
        arguments: of its constructor, ``img_size`` among them where it is built for one size.
        size: [height, width].
        own: the size that the model was made for.
        where: the setting, for the error.

    Raises:
        ConfigError: it does not take them; says which nearby sizes it does.
        CheckpointError: see :func:`~mm_image.weights.create_model`.
    """
    if list(size) == list(own):
        return create_model(name, arguments)
    try:
        model = create_model(name, arguments)
        why = _fault(model, size, "cpu")
    except CheckpointError as error:
        if _takes(name, arguments, own):
            why = str(error.__cause__ or error)
        else:
            raise
    if why is None:
        return model
    near = [side for side in _nearby(name, arguments, max(size)) if side is not None]
    sizes = " or ".join(f"{where}={side}" for side in near or own[:1])
    raise ConfigError(
        f"image_size = {max(size)}: {name} does not take images of this size ({why})",
        plugin=PLUGIN,
        value=max(size),
        remedy=sizes + (f"; its own size is {max(own)}" if own else ""),
    )


def _fault(model: nn.Module, size: Sequence[int], device: str) -> str | None:
    """What the network says of one image of zeros; None: it takes it."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            image = torch.zeros(1, 3, *size, device=device)
            network: Any = model
            network.forward_head(network.forward_features(image), pre_logits=True)
    except _REFUSES as error:
        return str(error).splitlines()[0]
    finally:
        model.train(training)
    return None


def _takes(name: str, arguments: Mapping[str, Any], size: Sequence[int]) -> bool:
    """Tried without memory or work, on torch's device ``meta``."""
    own = {**arguments, "img_size": list(size)} if "img_size" in arguments else arguments
    try:
        with torch.device("meta"):
            return _fault(create_model(name, own), size, "meta") is None
    except (CheckpointError, *_REFUSES):  # some cannot be built there
        return False


def _nearby(name: str, arguments: Mapping[str, Any], side: int) -> Iterator[int | None]:
    """The nearest side below and the nearest above that it takes; None: no near one."""
    below = sorted({side // step * step for step in _STEPS} - {0, side}, reverse=True)
    above = sorted({(side // step + 1) * step for step in _STEPS})
    for candidates in (below, above):
        yield next((one for one in candidates if _takes(name, arguments, (one, one))), None)
