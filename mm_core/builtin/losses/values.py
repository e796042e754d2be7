"""Losses over the target ``value``: logits [B, 1] and numbers float32 [B].

Regression standardises its label: errors are in standard deviations of the training labels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mm_core.api.loss import Loss
from mm_core.builtin.losses.configs import HuberConfig, QuantileConfig


class MSE(Loss):
    """Squared error; its best answer is the mean."""

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(logits[:, 0], target, reduction="none")


class MAE(Loss):
    """Absolute error; its best answer is the median."""

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(logits[:, 0], target, reduction="none")


class Huber(Loss):
    """Half the squared error up to ``delta``, linear beyond: outliers pull less."""

    config: HuberConfig

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(logits[:, 0], target, reduction="none", delta=self.config.delta)


class Quantile(Loss):
    """Pinball loss; its best answer is that quantile (Koenker and Bassett 1978)."""

    config: QuantileConfig

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        error = target - logits[:, 0]
        return torch.maximum(self.config.level * error, (self.config.level - 1) * error)
