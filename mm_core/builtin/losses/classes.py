"""Losses over the target ``class``: logits [B, C] and class indices int64 [B]."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from mm_core.api.loss import Loss
from mm_core.builtin.losses.configs import CrossEntropyConfig, FocalConfig
from mm_core.builtin.losses.damping import damped


class CrossEntropy(Loss):
    """``-log p`` of the true class."""

    config: CrossEntropyConfig

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            logits, target, reduction="none", label_smoothing=self.config.label_smoothing
        )


class Focal(Loss):
    """``-(1 - p)^gamma log p`` of the true class (arXiv 1708.02002, without its class weights,
    which are ``training.class_weights``). Smoothed: the mean over all classes by their targets.
    """

    config: FocalConfig

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        log_p = F.log_softmax(logits, dim=1)
        terms = -damped(1 - log_p.exp(), self.config.gamma) * log_p
        share = self.config.label_smoothing
        own = terms.gather(1, target[:, None])[:, 0]
        return own if share == 0 else (1 - share) * own + share * terms.mean(dim=1)
