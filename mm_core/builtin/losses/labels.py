"""Losses over the target ``labels``: logits [B, L] and 0 or 1, float32 [B, L].

Each is the mean over the labels of a row.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mm_core.api.loss import Loss
from mm_core.builtin.losses.configs import AsymmetricConfig, BCEConfig, BinaryFocalConfig
from mm_core.builtin.losses.damping import damped


class BCE(Loss):
    """Binary cross entropy."""

    config: BCEConfig

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        smoothed = _smoothed(target, self.config.label_smoothing)
        return F.binary_cross_entropy_with_logits(logits, smoothed, reduction="none").mean(dim=1)


class BinaryFocal(Loss):
    """``-(1 - p)^gamma log p`` of the true answer to each label (arXiv 1708.02002)."""

    config: BinaryFocalConfig

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        smoothed = _smoothed(target, self.config.label_smoothing)
        yes = damped(1 - logits.sigmoid(), self.config.gamma) * -F.logsigmoid(logits)
        no = damped(logits.sigmoid(), self.config.gamma) * -F.logsigmoid(-logits)
        return (smoothed * yes + (1 - smoothed) * no).mean(dim=1)


class Asymmetric(Loss):
    """Positive and negative labels damped apart, easy negatives left out (arXiv 2009.14119)."""

    config: AsymmetricConfig

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        p = logits.sigmoid()
        yes = damped(1 - p, self.config.gamma_positive) * -F.logsigmoid(logits)
        shifted = (p - self.config.margin).clamp_min(0)
        # log1p is finite: p is at most 1, and without a margin logsigmoid says it exactly.
        log_no = torch.log1p(-shifted) if self.config.margin > 0 else F.logsigmoid(-logits)
        no = damped(shifted, self.config.gamma_negative) * -log_no
        return (target * yes + (1 - target) * no).mean(dim=1)


def _smoothed(target: Tensor, share: float) -> Tensor:
    return target * (1 - share) + share / 2
