"""Losses of masks: logits [B, D, H, W] and codes [B, H, W], -1 where nothing is said. Torch inside.

Each gives a number a picture; a picture of which nothing is said has 0. One thing to find has one
map of logits; of several classes most losses look at each against the rest.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from mm_core.api import Loss
from mm_segmentation.configs import CrossEntropyConfig

if TYPE_CHECKING:
    from torch import Tensor

_NEAR_ONE = -1e-6
"""Logarithm of a probability at most: that of 1 has no logit."""

_PLAIN = CrossEntropyConfig()


class CrossEntropy(Loss):
    """Mean over the pixels, each weighed by how rare its class is in the picture."""

    def __call__(self, logits: Tensor, target: Any) -> Tensor:
        """``balance`` 0: all alike; 1: each class of a picture has the same part in its loss."""
        import torch
        from torch.nn import functional

        codes, said = target.long(), target >= 0
        known = codes.clamp(min=0)
        if logits.shape[1] == 1:
            each = functional.binary_cross_entropy_with_logits(
                logits[:, 0], known.float(), reduction="none"
            )
        else:
            each = functional.cross_entropy(
                logits, known, reduction="none", label_smoothing=self.config.smoothing
            )
        weight = said.float()
        if self.config.balance:
            classes = max(2, logits.shape[1])
            counts = torch.zeros(len(codes), classes, device=codes.device)
            counts.scatter_add_(1, known.flatten(1), weight.flatten(1))
            share = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
            rare = share.clamp(min=1e-4).pow(-self.config.balance)
            weight = weight * rare.gather(1, known.flatten(1)).reshape(known.shape)
        return (each * weight).sum(dim=(1, 2)) / weight.sum(dim=(1, 2)).clamp(min=1e-6)


class _Overlap(Loss):
    """What is computed of each class against the rest."""

    def __call__(self, logits: Tensor, target: Any) -> Tensor:
        """The mean over the classes that count, of each picture."""
        logits, true, said, count = one_against_rest(logits, target)
        losses = self.of_each(logits, true, said)
        return (losses * count).sum(dim=1) / count.sum(dim=1).clamp(min=1)

    @abstractmethod
    def of_each(self, logits: Tensor, true: Tensor, said: Tensor) -> Tensor:
        """[B, K] of logits and what is true of them [B, K, H, W], and what is said [B, 1, H, W]."""


class Dice(_Overlap):
    """1 - Dice of probabilities, and cross entropy beside it."""

    def __call__(self, logits: Tensor, target: Any) -> Tensor:
        """``share`` of it is Dice's."""
        overlap = super().__call__(logits, target)
        if self.config.share == 1:
            return overlap
        plain = CrossEntropy(_PLAIN)(logits, target)
        return self.config.share * overlap + (1 - self.config.share) * plain

    def of_each(self, logits: Tensor, true: Tensor, said: Tensor) -> Tensor:
        """Smoothed by one pixel: an empty mask that is said to be empty costs nothing."""
        p = logits.sigmoid() * said
        both, total = (p * true).sum(dim=(2, 3)), (p + true * said).sum(dim=(2, 3))
        return 1 - (2 * both + 1) / (total + 1)


class Focal(_Overlap):
    """Cross entropy that looks at what is not learned yet (arXiv 1708.02002)."""

    def of_each(self, logits: Tensor, true: Tensor, said: Tensor) -> Tensor:
        """Mean over the pixels; ``alpha`` weighs those that are in."""
        from torch.nn import functional

        each = functional.binary_cross_entropy_with_logits(logits, true, reduction="none")
        missed = (true - logits.sigmoid()).abs() ** self.config.gamma
        weight = self.config.alpha * true + (1 - self.config.alpha) * (1 - true)
        pixels = said.sum(dim=(2, 3)).clamp(min=1)
        return (2 * weight * missed * each * said).sum(dim=(2, 3)) / pixels


class Tversky(_Overlap):
    """Dice with a price for what is made up and one for what is missed (arXiv 1706.05721)."""

    def of_each(self, logits: Tensor, true: Tensor, said: Tensor) -> Tensor:
        """``gamma`` above 1 looks at what is not learned yet (arXiv 1810.07842)."""
        p, true = logits.sigmoid() * said, true * said
        both = (p * true).sum(dim=(2, 3))
        extra, missed = (p * (1 - true)).sum(dim=(2, 3)), ((said - p) * true).sum(dim=(2, 3))
        found = (both + 1) / (both + self.config.extra * extra + self.config.missed * missed + 1)
        return (1 - found).clamp(min=1e-6) ** (1 / self.config.gamma)


class Structure(_Overlap):
    """Weighed cross entropy and weighed IoU: borders count six times (F3Net, arXiv 1911.11445)."""

    def of_each(self, logits: Tensor, true: Tensor, said: Tensor) -> Tensor:
        """A pixel is near a border where the mean of its neighbourhood differs from it."""
        from torch.nn import functional

        true = true * said
        pad = self.config.width // 2
        near = functional.avg_pool2d(true, self.config.width, stride=1, padding=pad)
        weight = (1 + 5 * (near - true).abs()) * said
        each = functional.binary_cross_entropy_with_logits(logits, true, reduction="none")
        entropy = (weight * each).sum(dim=(2, 3)) / weight.sum(dim=(2, 3)).clamp(min=1e-6)
        p = logits.sigmoid()
        both, all_ = (p * true * weight).sum(dim=(2, 3)), ((p + true) * weight).sum(dim=(2, 3))
        return entropy + 1 - (both + 1) / (all_ - both + 1)


class Lovasz(_Overlap):
    """The convex surrogate of IoU itself (arXiv 1705.08790)."""

    def of_each(self, logits: Tensor, true: Tensor, said: Tensor) -> Tensor:
        """Of the errors of probabilities, the largest first."""
        import torch

        errors = ((true - logits.sigmoid()).abs() * said).flatten(2)
        ordered, order = errors.sort(dim=2, descending=True)
        true = (true * said).flatten(2).gather(2, order)
        valid = said.expand_as(logits).flatten(2).gather(2, order)
        total = true.sum(dim=2, keepdim=True)
        left = total - true.cumsum(dim=2)
        union = total + ((1 - true) * valid).cumsum(dim=2)
        lost = 1 - left / union.clamp(min=1e-6)
        steps = torch.cat([lost[..., :1], lost[..., 1:] - lost[..., :-1]], dim=2)
        return (ordered * steps).sum(dim=2)


def one_against_rest(logits: Tensor, codes: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits of each class against the rest, what is true of it, what is said, what counts.

    Args:
        logits: [B, D, H, W].
        codes: whole numbers [B, H, W], -1 where nothing is said.

    Returns:
        Logits and truth, float [B, K, H, W]; said, float [B, 1, H, W]; and float [B, K]: 1 for the
        classes that a picture has, and for the one thing to find wherever anything is said.
    """
    import torch
    from torch.nn import functional

    said = (codes >= 0)[:, None].float()
    if logits.shape[1] == 1:
        return logits, (codes == 1)[:, None].float(), said, said.amax(dim=(2, 3))
    sure = functional.log_softmax(logits, dim=1).clamp(max=_NEAR_ONE)
    against = sure - torch.log(-torch.expm1(sure))
    true = functional.one_hot(codes.long().clamp(min=0), logits.shape[1]).permute(0, 3, 1, 2)
    true = true.float() * said
    return against, true, said, (true.amax(dim=(2, 3)) > 0).float()
