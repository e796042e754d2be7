"""Evidence for classes from each input, and how sure the sum of it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from mm_core.api.nn import Batch, Dims, Features, Fused, FusionHead, Outputs
from mm_fusion.configs import TMCConfig
from mm_fusion.inputs import Projected, classes_of, there_of

Opinion = tuple[Tensor, Tensor]
"""Belief in each class [B, C], and uncertainty [B, 1]; they sum to 1."""


class TMC(FusionHead):
    """Trusted multi-view classification, arXiv 2102.02051.

    Each input gives evidence ``e >= 0`` for every class, a Dirichlet ``alpha = e + 1``: belief
    ``b = e / S`` and uncertainty ``u = C / S``, ``S = sum alpha``. Two opinions become
    ``b = (b1 b2 + b1 u2 + b2 u1) / (1 - conflict)``, ``u = u1 u2 / (1 - conflict)``
    (Dempster's rule); one that is not there is ``b = 0, u = 1``, and changes nothing. ``logits``
    are ``log(alpha / S)`` of the whole: their softmax is the expected probability. ``gates`` of a
    row sum to ``1 - u`` of the whole: what its contributions lack to 1 is its uncertainty.

    The loss is the evidential one of the whole and of each input, in the place of
    ``training.loss``: the expected cross-entropy, and ``regularisation`` times the divergence of
    the evidence for wrong classes from none (the paper raises that weight epoch by epoch).
    """

    config: TMCConfig

    def __init__(self, config: TMCConfig, inputs: Mapping[str, Dims], output_dim: int) -> None:
        super().__init__(config, inputs, output_dim)
        self.project = Projected(inputs, config.dim)
        self.evidence = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.GELU(), nn.Dropout(config.dropout), nn.Linear(config.dim, output_dim)
                )
                for name in self.project.names
            }
        )

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        names = self.project.names
        there = there_of(names, present)
        vectors = self.project(features, present)
        given = torch.stack(
            [
                functional.softplus(self.evidence[name](vector).float())
                for name, vector in zip(names, vectors, strict=True)
            ]
        )
        given = torch.where(there[:, :, None], given, 0.0)  # [K, B, C]
        opinions = [_opinion(one) for one in given]
        whole = opinions[0]
        for other in opinions[1:]:
            whole = _combined(whole, other)
        alpha = _alpha(whole)
        doubts = {name: u[:, 0] for name, (_, u) in zip(names, opinions, strict=True)}
        sure = torch.stack([1 - one for one in doubts.values()])
        shares = (1 - whole[1][:, 0]) * sure / sure.sum(dim=0).clamp_min(1e-6)
        return Fused(
            logits=alpha.log() - alpha.sum(dim=1, keepdim=True).log(),
            gates=dict(zip(names, shares, strict=True)),
            kept={"uncertainty": whole[1][:, 0], "alpha": alpha}
            | {f"uncertainty.{name}": one for name, one in doubts.items()}
            | {f"alpha.{name}": one + 1 for name, one in zip(names, given, strict=True)},
        )

    def loss(self, outputs: Outputs, batch: Batch, of: Callable[[Batch], Tensor]) -> Tensor:
        """The evidential loss of the whole, and of each input over the rows that have it.

        Raises:
            RecipeError: the task has no classes.
        """
        classes = classes_of(batch, "fusion:tmc", "gives evidence for classes")
        right = functional.one_hot(classes, self.output_dim).float()
        kept = outputs["kept"]
        losses = self._each(kept["alpha"], right)
        for name in self.project.names:
            # Without an input there is no evidence of it: a constant, and no gradient.
            losses = losses + self._each(kept[f"alpha.{name}"], right)
        return (losses if batch.weight is None else losses * batch.weight).mean()

    def _each(self, alpha: Tensor, right: Tensor) -> Tensor:
        """[B], of one Dirichlet."""
        total = alpha.sum(dim=1, keepdim=True)
        expected = (right * (total.digamma() - alpha.digamma())).sum(dim=1)
        wrong = right + (1 - right) * alpha
        return expected + self.config.regularisation * _from_none(wrong)


def _opinion(evidence: Tensor) -> Opinion:
    total = evidence.sum(dim=1, keepdim=True) + evidence.shape[1]
    return evidence / total, evidence.shape[1] / total


def _combined(first: Opinion, second: Opinion) -> Opinion:
    (b1, u1), (b2, u2) = first, second
    both = b1 * b2
    conflict = b1.sum(dim=1, keepdim=True) * b2.sum(dim=1, keepdim=True)
    agreed = (1 - (conflict - both.sum(dim=1, keepdim=True))).clamp_min(1e-6)
    return (both + b1 * u2 + b2 * u1) / agreed, u1 * u2 / agreed


def _alpha(opinion: Opinion) -> Tensor:
    belief, doubt = opinion
    return belief * belief.shape[1] / doubt.clamp_min(1e-9) + 1


def _from_none(alpha: Tensor) -> Tensor:
    """Divergence [B] of a Dirichlet from the one of no evidence, all ones."""
    total = alpha.sum(dim=1, keepdim=True)
    constant = total.lgamma()[:, 0] - alpha.lgamma().sum(dim=1) - math.lgamma(alpha.shape[1])
    slope = (alpha - 1) * (alpha.digamma() - total.digamma())
    return constant + slope.sum(dim=1)
