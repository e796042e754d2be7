"""Absent inputs: their values are replaced, never multiplied by zero, so NaN cannot get through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mm_core.api.errors import RecipeError
from mm_core.api.nn import Features


def present_pooled(features: Features, present: Tensor) -> Tensor:
    """Pooled features [B, D], zeros where absent.

    Zeros come before any layer: a layer's weight gradient is ``0 * NaN`` if NaN got in.
    """
    assert features.pooled is not None
    return torch.where(present[:, None], features.pooled, 0.0)


def pooled_width(name: str, dims: Mapping[str, int]) -> int:
    """Width of the pooled features of one input.

    Raises:
        RecipeError: its backbone gives none.
    """
    if "pooled" not in dims:
        raise RecipeError(
            f"the backbone {name!r} gives no pooled features, which this fusion needs",
            value=name,
            remedy="choose a backbone that provides 'pooled', or another fusion",
        )
    return dims["pooled"]


class Projections(nn.ModuleDict):
    """``W_k LN(x_k)`` for each input, in sorted order.

    The features are normalised first: backbones differ in scale by orders of magnitude, and a new
    layer learns little from the small ones beside the large.

    Args:
        inputs: name -> the backbone's ``dims``.
        dim: width of the projections.
    """

    def __init__(self, inputs: Mapping[str, Mapping[str, int]], dim: int) -> None:
        widths = {name: pooled_width(name, inputs[name]) for name in sorted(inputs)}
        super().__init__(
            {
                name: nn.Sequential(nn.LayerNorm(width), nn.Linear(width, dim))
                for name, width in widths.items()
            }
        )


class AuxiliaryHeads(nn.Module):
    """An answer from each input alone; none of them where ``weight`` is 0, for nobody trains them.

    Args:
        names: inputs.
        dim: width of each input's vector.
        output_dim: width of the answer.
        weight: of their loss.
    """

    def __init__(self, names: Sequence[str], dim: int, output_dim: int, weight: float) -> None:
        super().__init__()
        trained = names if weight > 0 else []
        self.heads = nn.ModuleDict({name: nn.Linear(dim, output_dim) for name in trained})

    def forward(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``vectors[name]`` [B, dim] -> logits [B, output_dim] by name."""
        return {name: head(vectors[name]) for name, head in self.heads.items()}
