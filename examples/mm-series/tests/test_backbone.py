"""What the network sees, and what it does not see."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mm_core.api import RecipeError
from mm_core.api.nn import BackboneContext
from torch import Tensor

from mm_series.backbone import SeriesResNet
from mm_series.configs import SeriesResNetConfig


def network(n_series: int = 1, **settings: Any) -> SeriesResNet:
    """With random weights, at evaluation."""
    torch.manual_seed(0)
    context = BackboneContext(inputs={"series": {"n_series": n_series}}, task={})
    return SeriesResNet(SeriesResNetConfig(width=8, **settings), context).eval()


def batch(values: Tensor, known: Tensor | None = None) -> dict[str, dict[str, Tensor]]:
    """``values`` [B, F, T] without padding; all are known unless said otherwise."""
    there = torch.ones_like(values, dtype=torch.bool)
    known = there if known is None else known
    return {"series": {"values": values, "known": known, "inside": there.clone()}}


@pytest.mark.parametrize(("dilation", "reach"), [(1, 18), (2, 42)])
def test_three_blocks_see_as_far_as_the_settings_say(dilation: int, reach: int) -> None:
    values = torch.zeros(1, 1, 201)
    plain = network(dilation=dilation)(batch(values)).tokens
    values[0, 0, 100] = 5.0
    moved = network(dilation=dilation)(batch(values)).tokens
    assert plain is not None
    assert moved is not None
    seen = (plain != moved).any(dim=2)[0].nonzero().flatten()
    assert 100 - reach <= int(seen.min()) <= 100 - reach + 3
    assert 100 + reach - 3 <= int(seen.max()) <= 100 + reach


def test_a_gap_is_not_a_zero() -> None:
    values = torch.randn(1, 1, 20)
    values[0, 0, 9] = 0.0
    gap = torch.ones(1, 1, 20, dtype=torch.bool)
    gap[0, 0, 9] = False
    net = network()
    assert not torch.allclose(net(batch(values)).pooled, net(batch(values, gap)).pooled)


def test_columns_are_channels_of_one_series() -> None:
    """The same two series, one of them moved in time: the columns are seen together."""
    first, second = torch.randn(1, 1, 30), torch.randn(1, 1, 30)
    net = network(n_series=2)
    together = net(batch(torch.cat([first, second], dim=1))).pooled
    apart = net(batch(torch.cat([first, second.roll(5, dims=2)], dim=1))).pooled
    assert not torch.allclose(together, apart, atol=1e-3)


def test_tokens_are_points_and_their_mask_ends_with_the_series() -> None:
    inputs = batch(torch.randn(2, 1, 20))
    inputs["series"]["inside"][0, :, 12:] = False
    features = network()(inputs)
    assert features.tokens is not None
    assert features.mask is not None
    assert features.mask.sum(dim=1).tolist() == [12, 20]
    assert not features.tokens[0, 12:].any()
    torch.testing.assert_close(features.pooled, features.tokens.sum(1) / torch.tensor([[12], [20]]))


def test_a_foreign_input_is_refused() -> None:
    context = BackboneContext(inputs={"text": {"vocabulary": 7}}, task={})
    with pytest.raises(RecipeError, match="one input of series"):
        SeriesResNet(SeriesResNetConfig(), context)
