"""What pairs are trained by, of cosines. Each is weighted by the rows' weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(scores: Tensor, own: Tensor, weight: Tensor | None) -> Tensor:
    """Which of the candidates belongs to a row (arXiv 1807.03748).

    Args:
        scores: [B, C], cosines over the temperature; -inf for candidates that are not asked about.
        own: int [B], the right one.
        weight: [B] or None.
    """
    return _mean(functional.cross_entropy(scores, own, reduction="none"), weight)


def contrastive(cosine: Tensor, match: Tensor, margin: float, weight: Tensor | None) -> Tensor:
    """Matches near, others at least ``margin`` apart (Hadsell, Chopra, LeCun 2006)."""
    distance = 1 - cosine
    far = functional.relu(margin - distance)
    return _mean(0.5 * (match * distance**2 + (1 - match) * far**2), weight)


def online_contrastive(
    cosine: Tensor, match: Tensor, margin: float, weight: Tensor | None
) -> Tensor:
    """The same of the hard pairs of a batch alone: matches further apart than the nearest pair that
    is none, and pairs that are none nearer than the furthest match; a sum, as in
    sentence-transformers.
    """
    distance = 1 - cosine
    counts = torch.ones_like(distance) if weight is None else weight
    is_match = (match > 0.5) & (counts > 0)
    is_other = (match <= 0.5) & (counts > 0)
    matches, others = distance[is_match], distance[is_other]
    nearest = others.min() if len(others) > 1 else matches.mean()
    furthest = matches.max() if len(matches) > 1 else others.mean()
    hard = is_match & (distance > nearest)
    hard_other = is_other & (distance < furthest)
    losses = distance**2 * hard + functional.relu(margin - distance) ** 2 * hard_other
    return (losses * counts).sum()


def cosent(cosine: Tensor, grade: Tensor, temperature: float, weight: Tensor | None) -> Tensor:
    """Pairs of a higher grade get a higher cosine than pairs of a lower one (Su 2022)."""
    scaled = cosine / temperature
    wrong = scaled[None, :] - scaled[:, None]  # [i, j]: j above i, though i's grade is higher
    asked = grade[:, None] > grade[None, :]
    if weight is not None:
        both = weight[:, None] * weight[None, :]
        asked = asked & (both > 0)
        wrong = wrong + torch.where(both > 0, both, 1.0).log()
    found = wrong[asked]
    return torch.logsumexp(torch.cat([found.new_zeros(1), found]), dim=0)


def cosine(cosine: Tensor, grade: Tensor, weight: Tensor | None) -> Tensor:
    """The cosine is the grade, 0 to 1."""
    return _mean((cosine - grade) ** 2, weight)


def triplet(near: Tensor, far: Tensor, margin: float, weight: Tensor | None) -> Tensor:
    """The response is nearer than the negative, by ``margin`` (arXiv 1503.03832)."""
    return _mean(functional.relu(far - near + margin), weight)


def classes_apart(cosine: Tensor, own: Tensor, temperature: float, weight: Tensor | None) -> Tensor:
    """Rows of a class are nearer to each other than to the others of the batch (arXiv 2004.11362).

    Args:
        cosine: [B, B] of the rows with each other.
        own: int [B], their classes; a row that is alone of its class is compared with, not asked.
        temperature: cosines are divided by it.
        weight: [B] or None.
    """
    self = torch.eye(len(own), dtype=torch.bool, device=own.device)
    scores = functional.log_softmax((cosine / temperature).masked_fill(self, -torch.inf), dim=1)
    same = (own[:, None] == own[None, :]) & ~self
    asked = same.any(dim=1)
    if not asked.any():
        return cosine.sum() * 0.0
    found = -scores.masked_fill(~same, 0.0).sum(dim=1)[asked] / same.sum(dim=1)[asked]
    return _mean(found, None if weight is None else weight[asked])


def _mean(losses: Tensor, weight: Tensor | None) -> Tensor:
    return losses.mean() if weight is None else (losses * weight).mean()
