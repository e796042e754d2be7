"""Mixup and CutMix: training rows blended with one another, and their losses with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mm_core.api.features import take
from mm_core.api.nn import Batch

Blend = Callable[[Tensor, Tensor], tuple[Tensor, float]]
"""Arrays, those of the partners -> blended arrays, and how much of them is the row's own, 0..1."""


@dataclass(frozen=True)
class Mixed:
    """Blended rows.

    Attributes:
        own: with the targets of the rows themselves.
        partner: the same inputs with the targets of what was blended in.
        share: weight of the loss of ``own``; the rest is that of ``partner``.
    """

    own: Batch
    partner: Batch
    share: float


class Mixer:
    """Blends each row of a batch with another one of it.

    Args:
        mixable: input name -> names of its arrays that may be blended; all inputs of the batch.
        mixup: alpha of the Beta distribution of the shares (arXiv 1710.09412); 0: no mixup.
        cutmix: the same for the area of a pasted rectangle (arXiv 1905.04899); 0: no CutMix. With
            both, each batch takes one of them.
    """

    def __init__(self, mixable: Mapping[str, tuple[str, ...]], mixup: float, cutmix: float) -> None:
        self._mixable = mixable
        self._ways = [(mixup, _mixup), (cutmix, _cutmix)]
        self._ways = [(alpha, way) for alpha, way in self._ways if alpha > 0]

    def __call__(self, batch: Batch) -> Mixed:
        """Draws from torch's generator."""
        alpha, way = self._ways[int(torch.randint(len(self._ways), ()))]
        blend = way(float(torch.distributions.Beta(alpha, alpha).sample()))
        partner = self._partners(batch)
        inputs, shares = {}, []
        for name, arrays in batch.inputs.items():
            inputs[name] = dict(arrays)
            for key in self._mixable[name]:
                inputs[name][key], share = blend(arrays[key], arrays[key][partner])
                shares.append(share)
        weight = None if batch.weight is None else batch.weight[partner]
        return Mixed(
            own=replace(batch, inputs=inputs),
            partner=replace(
                batch, inputs=inputs, targets=take(batch.targets, partner), weight=weight
            ),
            share=sum(shares) / len(shares),
        )

    def _partners(self, batch: Batch) -> Tensor:
        """long [B]; a row is its own partner where the other one lacks what it has.

        What it has: the inputs that are present, and what masks within them say is there, such as
        the second of two pictures. Masks are the boolean arrays that are not blended.
        """
        there = [batch.present[name] for name in self._mixable]
        there += [mask for name in self._mixable for mask in self._masks(name, batch.inputs[name])]
        order = torch.randperm(len(batch)).to(there[0].device)
        alike = torch.stack([_same_rows(one, one[order]) for one in there]).all(dim=0)
        return torch.where(alike, order, torch.arange(len(order), device=order.device))

    def _masks(self, name: str, arrays: Mapping[str, Any]) -> list[Tensor]:
        """The boolean arrays [B, ...] of an input that are not blended."""
        fixed = (values for key, values in arrays.items() if key not in self._mixable[name])
        return [one for one in fixed if isinstance(one, Tensor) and one.dtype == torch.bool]


def _same_rows(own: Tensor, other: Tensor) -> Tensor:
    """bool [B], where two arrays [B, ...] are the same."""
    return (own == other).reshape(len(own), -1).all(dim=1)


def _mixup(share: float) -> Blend:
    return lambda own, other: (torch.lerp(other, own, share), share)


def _cutmix(share: float) -> Blend:
    """A rectangle of 1 - share of the picture is the other's."""
    side = (1 - share) ** 0.5
    middle = torch.rand(2).tolist()

    def blend(own: Tensor, other: Tensor) -> tuple[Tensor, float]:
        sizes = own.shape[-2:]
        rows, columns = (
            slice(max(0, round((m - side / 2) * n)), min(n, round((m + side / 2) * n)))
            for m, n in zip(middle, sizes, strict=True)
        )
        pasted = own.clone()
        pasted[..., rows, columns] = other[..., rows, columns]
        area = (rows.stop - rows.start) * (columns.stop - columns.start)
        return pasted, 1 - area / (sizes[0] * sizes[1])

    return blend
