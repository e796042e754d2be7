"""Around any fusion head: latents blended with those of other rows, and gradients kept in step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mm_core.api.nn import Batch, Dims, Features, Fused, Outputs
from mm_fusion.configs import FuseMixConfig, GradientModulationConfig
from mm_fusion.inputs import OwnAnswers, Projected, classes_of, there_of
from mm_fusion.wrappers import Wrapper

_PARTNER, _SHARE = "fusemix.partner", "fusemix.share"


class FuseMix(Wrapper):
    """Latents are blended with those of another row in training, and so are the losses.

    ``z_k <- lam z_k + (1 - lam) z'_k`` with one ``lam ~ Beta(alpha, alpha)`` for all inputs of a
    batch (FuseMix, arXiv 2312.10144, which has no labels; the loss is mixup's, arXiv 1710.09412:
    ``lam`` of that of the row's own target, the rest of its partner's). A row whose partner lacks
    an input that it has, or has one that it lacks, stays as it is.
    """

    config: FuseMixConfig

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        if not self.training:
            return self.head(features, present)  # type: ignore[no-any-return]
        there = there_of(sorted(present), present)
        order = torch.randperm(there.shape[1]).to(there.device)
        alike = (there == there[:, order]).all(dim=0)
        partner = torch.where(alike, order, torch.arange(len(order), device=order.device))
        share = torch.distributions.Beta(self.config.alpha, self.config.alpha).sample()
        share = share.to(there.device)
        mixed = {name: _blended(one, partner, share) for name, one in features.items()}
        fused: Fused = self.head(mixed, present)
        return replace(fused, kept=fused.kept | {_PARTNER: partner, _SHARE: share})

    def loss(self, outputs: Outputs, batch: Batch, of: Callable[[Batch], Tensor]) -> Tensor:
        """That of the head, by the rows' own targets and by their partners'."""
        kept = outputs["kept"]
        if _PARTNER not in kept:  # at a look at validation rows
            return self.head.loss(outputs, batch, of)
        other = _of_rows(batch, kept[_PARTNER])
        own, others = (self.head.loss(outputs, one, of) for one in (batch, other))
        return kept[_SHARE] * own + (1 - kept[_SHARE]) * others


def _blended(features: Features, partner: Tensor, share: Tensor) -> Features:
    """Pooled vectors and tokens; where one of two rows has no token, the other's stays whole."""

    def between(own: Tensor, other: Tensor) -> Tensor:
        return (share * own + (1 - share) * other).to(own.dtype)

    pooled, tokens, mask = features.pooled, features.tokens, features.mask
    if pooled is not None:
        pooled = between(pooled, pooled[partner])
    if tokens is not None:
        own, other = tokens, tokens[partner]
        if mask is not None:
            has, others = mask[:, :, None], mask[partner][:, :, None]
            own, other = torch.where(has, own, other), torch.where(others, other, own)
            mask = mask | mask[partner]
        tokens = between(own, other)
    return replace(features, pooled=pooled, tokens=tokens, mask=mask)


def _of_rows(batch: Batch, rows: Tensor) -> Batch:
    """The batch with targets and weights of other rows of it."""
    targets: dict[str, Any] = {
        name: value[rows] if isinstance(value, Tensor) else [value[row] for row in rows.tolist()]
        for name, value in batch.targets.items()
    }
    weight = None if batch.weight is None else batch.weight[rows]
    return replace(batch, targets=targets, weight=weight)


class GradientModulation(Wrapper):
    """On-the-fly gradient modulation with generalization enhancement (OGM-GE, arXiv 2203.15332).

    Each input is projected, ``u_k = W_k LN(x_k)``, before the head reads it. A probe on ``u_k``
    alone says how well input k does: ``s_k``, the mean probability of the right class;
    ``rho_k = s_k / mean_{j != k} s_j``. The gradient of all that makes ``u_k``, projection and
    backbone, is scaled by ``1 - tanh(a rho_k)`` where ``rho_k > 1``, so that the input that is
    ahead waits for the others; and gets noise of its own deviation. The probes learn beside, and
    teach the rest nothing.
    """

    config: GradientModulationConfig

    def __init__(
        self, config: GradientModulationConfig, inputs: Mapping[str, Dims], output_dim: int
    ) -> None:
        super().__init__(config, {name: {"pooled": config.dim} for name in inputs}, output_dim)
        self.inputs = dict(inputs)
        self.project = Projected(inputs, config.dim)
        self.probe = OwnAnswers(self.project.names, config.dim, output_dim, weight=1.0)

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        names = self.project.names
        vectors = dict(zip(names, self.project(features, present), strict=True))
        kept: dict[str, Tensor] = {}
        if self.training:
            probed = self.probe({name: vector.detach() for name, vector in vectors.items()})
            for name in names:
                kept[f"probe.{name}"], kept[f"there.{name}"] = probed[name], present[name]
                # Only the loss knows it: it is written there before any gradient comes by.
                scale = kept[f"scale.{name}"] = torch.ones((), device=vectors[name].device)
                if vectors[name].requires_grad:
                    vectors[name] = _Scaled.apply(vectors[name], scale, self.config.noise)
        given = {name: Features(pooled=vector) for name, vector in vectors.items()}
        fused: Fused = self.head(given, present)
        return replace(fused, kept=fused.kept | kept)

    def loss(self, outputs: Outputs, batch: Batch, of: Callable[[Batch], Tensor]) -> Tensor:
        """The head's, and the probes'; sets the scales of this pass.

        Raises:
            RecipeError: the task has no classes.
        """
        loss: Tensor = self.head.loss(outputs, batch, of)
        kept, names = outputs["kept"], self.project.names
        if f"probe.{names[0]}" not in kept:
            return loss
        classes = classes_of(batch, "fusion:ogm_ge", "asks how well each input tells the class")
        scores = {}
        for name in names:
            log_p = kept[f"probe.{name}"].float().log_softmax(dim=1)
            log_p = log_p.gather(1, classes[:, None])[:, 0]
            there = kept[f"there.{name}"]
            log_p = torch.where(there, log_p, 0.0)
            loss = loss - (log_p if batch.weight is None else log_p * batch.weight).mean()
            scores[name] = log_p.detach().exp().mul(there).sum() / there.sum().clamp_min(1)
        self._set_scales(scores, kept)
        return loss

    def _set_scales(self, scores: Mapping[str, Tensor], kept: Mapping[str, Tensor]) -> None:
        if len(scores) < 2:
            return
        total = torch.stack(list(scores.values())).sum()
        for name, score in scores.items():
            ahead = score / ((total - score) / (len(scores) - 1)).clamp_min(1e-6)
            scale = torch.where(ahead > 1, 1 - torch.tanh(self.config.strength * ahead), 1.0)
            kept[f"scale.{name}"].copy_(scale)


class _Scaled(torch.autograd.Function):
    """What it is given, and the gradient times a number that is known by then, with noise."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, scale: Tensor, noise: bool) -> Tensor:
        ctx.scale, ctx.noise = scale, noise
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        found = gradient * ctx.scale
        if ctx.noise and found.numel() > 1:
            found = found + torch.randn_like(found) * gradient.std()
        return found, None, None
