"""Answers from each input alone, and their learned weighted mean."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mm_core.api.nn import Features
from mm_core.builtin.fusion.presence import pooled_width, present_pooled


class OwnAnswers(nn.ModuleDict):
    """``f_k(x_k)``, an MLP for each input, in sorted order.

    Args:
        inputs: name -> the backbone's ``dims``.
        hidden: width of the layer between.
        dropout: probability.
        output_dim: width of an answer.
    """

    def __init__(
        self, inputs: Mapping[str, Mapping[str, int]], hidden: int, dropout: float, output_dim: int
    ) -> None:
        widths = {name: pooled_width(name, inputs[name]) for name in sorted(inputs)}
        super().__init__(
            {
                name: nn.Sequential(
                    nn.LayerNorm(width),
                    nn.Linear(width, hidden),
                    nn.GELU(),
                    nn.Dropout(dropout),
                    nn.Linear(hidden, output_dim),
                )
                for name, width in widths.items()
            }
        )

    def forward(
        self, features: Mapping[str, Features], present: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Logits [B, output_dim] by name; where an input is absent, those of zeros."""
        return {
            name: answer(present_pooled(features[name], present[name]))
            for name, answer in self.items()
        }


def weighted_mean(answers: Tensor, weight: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over the answers that are present, and the share of each in it.

    Args:
        answers: [K, B, output_dim].
        weight: [K], learned: the shares are its softmax where all are present.
        present: bool [K, B].

    Returns:
        Logits [B, output_dim], zeros where nothing is present, and shares [K, B].
    """
    shares = torch.where(present, weight.softmax(dim=0)[:, None], 0.0)
    shares = shares / shares.sum(dim=0).clamp_min(torch.finfo(shares.dtype).tiny)
    return (shares[:, :, None] * answers).sum(dim=0), shares
