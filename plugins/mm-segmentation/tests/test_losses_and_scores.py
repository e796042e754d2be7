"""Losses lead to masks, scores are those of their papers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mm_segmentation import losses, metrics, saliency
from mm_segmentation.configs import (
    CrossEntropyConfig,
    DiceConfig,
    FocalConfig,
    StructureConfig,
    TverskyConfig,
)

from mm_core.api import Config, MetricError

LOSSES = [
    losses.CrossEntropy(CrossEntropyConfig()),
    losses.CrossEntropy(CrossEntropyConfig(balance=1.0)),
    losses.Dice(DiceConfig()),
    losses.Dice(DiceConfig(share=1.0)),
    losses.Focal(FocalConfig()),
    losses.Lovasz(Config()),
    losses.Tversky(TverskyConfig(gamma=4 / 3)),
    losses.Structure(StructureConfig()),
]


def _target(classes):
    rng = torch.Generator().manual_seed(0)
    codes = torch.randint(0, max(2, classes), (3, 2, 2), generator=rng)
    codes = codes.repeat_interleave(8, 1).repeat_interleave(8, 2).to(torch.int16)
    codes[0, :3] = -1
    return codes


@pytest.mark.parametrize("classes", [1, 4])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda one: type(one).__name__)
def test_a_loss_leads_to_the_mask_row_by_row(loss, classes):
    target = _target(classes)
    logits = torch.randn(3, classes, 16, 16, generator=torch.Generator().manual_seed(1))
    each = loss(logits, target)
    assert each.shape == (3,)
    assert torch.allclose(loss(logits[1:2], target[1:2]), each[1:2], atol=1e-5)
    changed = logits.clone()
    changed[0, :, :3] = 40.0
    if not isinstance(loss, losses.Structure):  # its borders look at neighbours, not at logits
        assert torch.allclose(loss(changed, target)[0], each[0], atol=1e-4)
    void = loss(logits, torch.full_like(target, -1))
    assert torch.isfinite(void).all()
    for scale in (1.0, 60.0):
        given = (scale * logits).requires_grad_(True)
        (slope,) = torch.autograd.grad(loss(given, target).sum(), given)
        assert torch.isfinite(slope).all()
    learned = logits.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([learned], lr=0.2)
    for _ in range(150):
        optimizer.zero_grad()
        loss(learned, target).sum().backward()
        optimizer.step()
    said = (learned[:, 0] > 0) if classes == 1 else learned.argmax(dim=1)
    assert (said == target)[target >= 0].float().mean() > 0.95


def _rows(true, said, certain=None, names=("no", "yes")):
    binary = len(names) == 2
    certain = np.asarray(said, np.uint8) * 255 if certain is None else certain
    truth = [{"codes": np.asarray(true, np.int16), "names": list(names), "binary": binary}]
    return truth, [{"codes": np.asarray(said, np.uint8), "certain": certain}]


def test_counted_scores():
    rows = _rows([[1, 1, 0, 0], [1, 0, 0, -1]], [[1, 0, 0, 1], [1, 0, 0, 1]])
    expected = {
        metrics.IoU: 2 / 4,
        metrics.MeanIoU: (2 / 4 + 3 / 5) / 2,
        metrics.Dice: 4 / 6,
        metrics.PixelAccuracy: 5 / 7,
        metrics.BalancedError: 100 * (1 / 3 + 1 / 4) / 2,
    }
    for kind, value in expected.items():
        metric = kind()
        metric.update(*rows)
        assert metric.compute() == pytest.approx(value), kind
    metric = metrics.IoU()
    for _ in range(3):
        metric.update(*rows)
    assert metric.details()["class.yes"] == 0.5
    metric.reset()
    with pytest.raises(MetricError, match="no pixel has a class"):
        metric.compute()


def test_scores_of_an_empty_picture_and_of_none():
    metric = metrics.IoU()
    metric.update(*_rows(np.zeros((4, 4)), np.zeros((4, 4))))
    with pytest.raises(MetricError, match="no pixel is 'yes'"):
        metric.compute()
    metric.update(*_rows(np.ones((4, 4)), np.zeros((0, 0)), np.zeros((0, 0), np.uint8)))
    assert metric.compute() == 0.0


def test_maps_perfect_empty_and_turned():
    disc = np.hypot(*(np.mgrid[:48, :48] - 20.0)) < 12
    noise = np.random.default_rng(0).integers(0, 256, (48, 48)).astype(np.uint8)
    for kind, better in (
        (saliency.Structure, 1),
        (saliency.Enhanced, 1),
        (saliency.WeightedF, 1),
        (saliency.AbsoluteError, -1),
    ):
        scores = []
        for certain in (disc * np.uint8(255), noise, ~disc * np.uint8(255)):
            metric = kind()
            metric.update(*_rows(disc, certain > 127, certain))
            scores.append(better * metric.compute())
        assert scores[0] > scores[1] > scores[2], kind
        assert scores[0] == pytest.approx(1 if better > 0 else 0, abs=0.01)
        metric = kind()
        if kind is saliency.WeightedF:
            continue
        metric.update(*_rows(np.zeros((9, 9)), np.zeros((9, 9))))
        assert metric.compute() == pytest.approx(1 if better > 0 else 0, abs=0.01)


def test_maps_are_of_one_thing():
    with pytest.raises(MetricError, match="one thing to find, and there are 3 classes"):
        saliency.Structure().update(*_rows([[0, 1]], [[0, 2]], names=("a", "b", "c")))
