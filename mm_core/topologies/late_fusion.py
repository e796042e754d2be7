"""Late fusion: each backbone reads its own inputs, a fusion head combines what they give."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from mm_core.api.errors import RecipeError
from mm_core.api.features import features_of, take
from mm_core.api.nn import (
    Backbone,
    Batch,
    Dims,
    Fused,
    FusionHead,
    Latents,
    Outputs,
    Parts,
    Topology,
)

_FUSED = "fused"


class LateFusion(Topology):
    """Backbones -> fusion head -> linear head; a single backbone needs no fusion.

    A backbone is present in a row where any of its inputs is, and runs on those rows only; its
    features are zeros elsewhere, so nothing in an absent slot reaches an output.

    Args:
        parts: backbones, fusion head (None for a single backbone) and task.

    Raises:
        RecipeError: several backbones and no fusion head, or a single one without pooled features.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        # A fusion head that gives logits has no dim.
        dim = _only_width(parts.backbones) if self.fusion is None else _dim(self.fusion)
        self.head = None if dim is None else nn.Linear(dim, self.task.output_dim)

    def forward_latents(self, latents: Latents, present: Mapping[str, Tensor]) -> Outputs:
        """``logits`` [B, output_dim]; ``per_input`` logits, ``aux_losses``, ``gates``, ``kept``."""
        fused = self._fuse(latents, present)
        return {
            "logits": fused.logits if self.head is None else self.head(fused.pooled),
            "per_input": fused.per_input,
            "aux_losses": fused.aux_losses,
            "gates": fused.gates,
            "kept": fused.kept,
        }

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """The task's loss, the mean of the inputs' own losses, and the head's extra losses: what
        the head makes of them (:meth:`FusionHead.loss`).
        """
        if self.fusion is None:
            return self._loss(outputs, batch)
        return self.fusion.loss(outputs, batch, partial(self._loss, outputs))

    def _loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        loss = self.task.loss(outputs["logits"], batch.targets, batch.weight)
        own = self._own_losses(outputs["per_input"], batch)
        if own and self.fusion is not None:
            loss = loss + self.fusion.auxiliary_weight * torch.stack(own).mean()
        for extra in outputs["aux_losses"].values():
            loss = loss + extra
        return loss

    @property
    def embeddings(self) -> tuple[str, ...]:
        """``"fused"``, then each backbone that gives pooled features."""
        backbones = (name for name, one in self.backbones.items() if "pooled" in _dims(one))
        return tuple(dict.fromkeys([_FUSED, *backbones]))

    def embed(self, batch: Batch, of: str = _FUSED) -> Tensor:
        """One vector per row, [B, D]: the fused one, or a backbone's, zeros where it is absent.

        Where the head gives answers only, the fused vector is those of the backbones in a row.
        """
        self.check_embedding(of)
        latents = self.encode(batch)
        if of != _FUSED:
            return latents[f"{of}.pooled"]
        fused = self._fuse(latents, batch.present)
        if fused.pooled is not None:
            return fused.pooled
        return torch.cat([latents[f"{name}.pooled"] for name in self.embeddings[1:]], dim=1)

    def _fuse(self, latents: Latents, present: Mapping[str, Tensor]) -> Fused:
        by_backbone = self.presence(present)
        if self.fusion is None:
            ((name, rows),) = by_backbone.items()
            return Fused(pooled=latents[f"{name}.pooled"].masked_fill(~rows[:, None], 0.0))
        features = {name: features_of(latents, name) for name in self.backbones}
        return cast("Fused", self.fusion(features, by_backbone))

    def _own_losses(self, per_input: Mapping[str, Tensor], batch: Batch) -> list[Tensor]:
        """Loss of each input's own answer over the rows that have it; none where no row has."""
        losses = []
        for name, present in self.presence(batch.present).items():
            rows = present.nonzero()[:, 0]
            if name in per_input and len(rows):
                targets = {key: take(value, rows) for key, value in batch.targets.items()}
                weight = None if batch.weight is None else batch.weight[rows]
                losses.append(self.task.loss(per_input[name][rows], targets, weight))
        return losses


def _dim(fusion: FusionHead) -> int | None:
    return getattr(fusion, "dim", None)


def _dims(backbone: nn.Module) -> Dims:
    return cast("Backbone", backbone).dims


def _only_width(backbones: Mapping[str, Backbone]) -> int:
    """Width of the pooled features of the only backbone."""
    if len(backbones) != 1:
        raise RecipeError(
            f"{len(backbones)} backbones ({', '.join(backbones)}) need a fusion head",
            remedy="set fusion=core:concat_mlp",
        )
    name, backbone = next(iter(backbones.items()))
    if "pooled" not in backbone.dims:
        raise RecipeError(
            f"the backbone {name!r} gives no pooled features",
            value=name,
            remedy="choose a backbone that provides 'pooled', or set a fusion head",
        )
    return int(backbone.dims["pooled"])
