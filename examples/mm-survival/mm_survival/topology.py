"""``TimeVaryingEffects``: what a row does to its hazard, split into a constant and a changing part.

With z the fused vector of a row, the logit of interval k is

    base_k + w . z + sum_r (v_r . z) phi_r(k)

where ``w . z`` is the proportional part, the logarithm of a hazard ratio, and ``phi_1 ... phi_R``
are orthogonal polynomials over the intervals without the constant one. The changing part is zero
on average over the intervals, so that the split is unique; ``shrinkage`` pulls it to zero:
proportional hazards are what few rows fall back to.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import cast

import numpy as np
import torch
from mm_core.api import RecipeError
from mm_core.api.nn import Batch, Features, Fused, FusionHead, Latents, Outputs, Parts, Topology
from torch import Tensor, nn


class TimeVaryingEffects(Topology):
    """Effects that may change over time. A row with nothing has the base hazard."""

    basis: Tensor

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        intervals, config = self.task.output_dim, self.task.config
        self.widths = {name: one.dims["pooled"] for name, one in parts.backbones.items()}
        width = self._width()
        self.register_buffer("basis", _polynomials(intervals, config.flexibility))
        self.base = nn.Parameter(torch.zeros(intervals))
        self.proportional = _zeros(width, 1)
        self.changing = _zeros(width, len(self.basis)) if len(self.basis) else None

    def encode(self, batch: Batch) -> Latents:
        """``<backbone>.pooled`` [B, D] of each backbone, zeros where a row has nothing for it."""
        features = self.run_backbones(batch).items()
        return {f"{name}.pooled": cast(Tensor, found.pooled) for name, found in features}

    def forward_latents(self, latents: Latents, present: Mapping[str, Tensor]) -> Outputs:
        """``row`` [B, D], ``logits`` [B, K], ``changing`` [B, R]; ``fused`` as the head gave it."""
        there = self.presence(present)
        fused = self._fuse({name: latents[f"{name}.pooled"] for name in there}, there)
        anything = torch.stack(list(there.values())).any(dim=0)
        row = torch.where(anything[:, None], cast(Tensor, fused.pooled), 0.0)
        logits = self.base + self.proportional(row)
        outputs: Outputs = {"row": row, "logits": logits, "fused": fused}
        if self.changing is not None:
            outputs["changing"] = self.changing(row)
            outputs["logits"] = logits + outputs["changing"] @ self.basis
        return outputs

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Minus log-likelihood, shrinkage, and the losses of the fusion head."""
        of = partial(self._loss, outputs)
        if self.fusion is None:
            return of(batch)
        return self.fusion.loss(vars(outputs["fused"]) | outputs, batch, of)

    def _loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        loss = self.task.loss(outputs["logits"], batch.targets, batch.weight)
        if "changing" in outputs:
            size = outputs["changing"].float().square().sum(dim=1).mean()
            loss = loss + self.task.config.shrinkage * size
        if self.fusion is not None:
            loss = loss + self._of_head(self.fusion, outputs["fused"], batch)
        return loss

    def _of_head(self, head: FusionHead, fused: Fused, batch: Batch) -> Tensor | float:
        """What a fusion head asks for besides: losses of its own, and of each input alone."""
        alone = [
            self.task.loss(logits, batch.targets, batch.weight)
            for logits in fused.per_input.values()
        ]
        return head.auxiliary_weight * sum(alone) + sum(fused.aux_losses.values())

    def embed(self, batch: Batch, of: str = "fused") -> Tensor:
        """The fused vector, [B, D]."""
        self.check_embedding(of)
        row: Tensor = self.forward(batch)["row"]
        return row

    def _fuse(self, vectors: Mapping[str, Tensor], there: Mapping[str, Tensor]) -> Fused:
        if self.fusion is None:
            (vector,) = vectors.values()
            return Fused(pooled=vector)
        features = {name: Features(pooled=vector) for name, vector in vectors.items()}
        fused: Fused = self.fusion(features, there)
        return fused

    def _width(self) -> int:
        """Width of the fused vector.

        Raises:
            RecipeError: there is none.
        """
        if self.fusion is None and len(self.backbones) == 1:
            return next(iter(self.widths.values()))
        width = getattr(self.fusion, "dim", None)
        if width is None:
            raise RecipeError(
                "survival needs one vector of all inputs, which this recipe does not give",
                value=None if self.fusion is None else type(self.fusion).__name__,
                remedy="set fusion=concat_mlp, or another head that gives a vector",
            )
        return int(width)


def _polynomials(intervals: int, degree: int) -> Tensor:
    """[R, K] orthogonal, of mean 0 and mean square 1; R = degree, as far as there are intervals."""
    degree = min(degree, intervals - 1)
    powers = np.vander(np.linspace(-1, 1, intervals), degree + 1, increasing=True)
    basis = np.linalg.qr(powers)[0][:, 1:].T * np.sqrt(intervals)
    return torch.tensor(basis, dtype=torch.float32)


def _zeros(width: int, outputs: int) -> nn.Linear:
    """A layer that starts at zero, and is zero where its input is."""
    layer = nn.Linear(width, outputs, bias=False)
    nn.init.zeros_(layer.weight)
    return layer
