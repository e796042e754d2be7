"""Feature maps of any timm network, and the pyramid over them. Heavy: imports torch and timm."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import timm
import torch
from mm_image.api import maps_alone, timm_weights
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import FeaturePyramidNetwork

from mm_core.api import Checkpoint, CheckpointError

STRIDES = (8, 16, 32)
"""Of the maps, in pixels of the square."""

_FAILS = (AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError)
"""What timm raises where an architecture gives no maps, or takes no such argument."""


class Maps(nn.Module):
    """A timm network without its end: maps [B, D, H, W], fine to coarse.

    Args:
        name: of timm.
        arguments: of its constructor.
        side: of the square, for networks that are built for one size.
        checkpoint: weights, or None.

    Raises:
        CheckpointError: the network gives no feature maps, or the weights do not fit it.
    """

    def __init__(
        self, name: str, arguments: Mapping[str, Any], side: int, checkpoint: Checkpoint | None
    ) -> None:
        super().__init__()
        arguments = dict(arguments)
        registered = timm.models.get_pretrained_cfg(name, allow_unregistered=True)
        if registered is not None and registered.fixed_input_size:
            arguments["img_size"] = side
        with torch.device("meta"):  # only to learn which of its maps are of use
            reductions = _built(name, arguments, {}).feature_info.reduction()
        where = chosen(reductions)
        weights: dict[str, Any] = {}
        if checkpoint is not None:
            cfg = dict(checkpoint.details["pretrained_cfg"])
            state = timm_weights(checkpoint, checkpoint.details.get("arguments") or {})
            weights = {
                "pretrained": True,
                "pretrained_cfg": cfg,
                "pretrained_cfg_overlay": {"state_dict": state, "file": None, "source": None},
            }
        self.model: Any = _built(name, {**arguments, "out_indices": where}, weights)
        self.model.pretrained_cfg = {}  # held the weights once more
        self.widths: list[int] = list(self.model.feature_info.channels())
        self.reductions: list[int] = list(self.model.feature_info.reduction())

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """``pixels`` [B, 3, S, S]."""
        found = self.model(pixels.contiguous(memory_format=torch.channels_last))
        return [  # some transformers give channels last
            one.permute(0, 3, 1, 2) if one.shape[1] != width and one.shape[-1] == width else one
            for one, width in zip(found, self.widths, strict=True)
        ]


def _built(name: str, arguments: Mapping[str, Any], weights: Mapping[str, Any]) -> Any:
    if not timm.is_model(name):
        raise CheckpointError(
            f"timm has no architecture {name!r}",
            plugin="detection:torchvision",
            value=name,
            remedy="timm.list_models('*...*') lists those of the installed timm",
        )
    try:
        with maps_alone():
            return timm.create_model(name, features_only=True, **arguments, **weights)
    except _FAILS as error:
        raise CheckpointError(
            f"{name} gives no feature maps, or its weights do not fit: {error}",
            plugin="detection:torchvision",
            value=name,
            remedy="choose another checkpoint, such as a convolutional network",
        ) from error


def chosen(reductions: Sequence[int]) -> tuple[int, ...]:
    """Places of the maps to read: the last of each stride, or the last of all where none has it.

    A plain transformer has one stride only, and one map of it makes the whole pyramid
    (arXiv 2203.16527).
    """
    places = {
        max(i for i, one in enumerate(reductions) if one == stride)
        for stride in STRIDES
        if stride in reductions
    }
    return tuple(sorted(places or {len(reductions) - 1}))


class Pyramid(nn.Module):
    """Maps of one width at 1/8, 1/16, 1/32, ... of the square (arXiv 1612.03144).

    Args:
        widths: of the maps that are given.
        reductions: their strides.
        width: of those that are made.
        levels: how many.
    """

    def __init__(
        self, widths: Sequence[int], reductions: Sequence[int], width: int, levels: int
    ) -> None:
        super().__init__()
        self._source = [_nearest(reductions, stride) for stride in STRIDES]
        self._factors = [
            stride / reductions[place] for stride, place in zip(STRIDES, self._source, strict=True)
        ]
        self.fuse = FeaturePyramidNetwork([widths[place] for place in self._source], width)
        self.coarser = nn.ModuleList(
            nn.Conv2d(width, width, 3, stride=2, padding=1) for _ in range(levels - len(STRIDES))
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """As many maps as levels, fine to coarse."""
        scaled = [
            _resized(maps[place], factor)
            for place, factor in zip(self._source, self._factors, strict=True)
        ]
        named = OrderedDict((str(level), one) for level, one in enumerate(scaled))
        found = list(self.fuse(named).values())
        for level, smaller in enumerate(self.coarser):
            found.append(smaller(functional.relu(found[-1]) if level else found[-1]))
        return found


def _nearest(reductions: Sequence[int], stride: int) -> int:
    """The coarsest map that is not coarser than asked for; else the finest."""
    fine = [place for place, one in enumerate(reductions) if one <= stride]
    return fine[-1] if fine else 0


def _resized(maps: Tensor, factor: float) -> Tensor:
    if factor == 1:
        return maps
    if factor > 1:
        return functional.max_pool2d(maps, int(factor))
    return functional.interpolate(maps, scale_factor=1 / factor, mode="nearest")
