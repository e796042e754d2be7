"""What every head does first with its inputs: absent ones are replaced, all get one width."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mm_core.api import RecipeError
from mm_core.api.nn import Batch, Dims, Features


class Projected(nn.Module):
    """``u_k = W_k LN(x_k)``, in the order of the inputs' names; zeros where a row lacks input k.

    Values in absent slots are replaced before any layer reads them: zero times NaN is NaN.

    Args:
        inputs: name -> the backbone's ``dims``.
        dim: width of each ``u_k``.
    """

    def __init__(self, inputs: Mapping[str, Dims], dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(
            {name: _normed(width_of(inputs, name, "pooled"), dim) for name in sorted(inputs)}
        )

    @property
    def names(self) -> list[str]:
        """The inputs, sorted."""
        return list(self.layers)

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Tensor:
        """[K, B, dim]."""
        found = []
        for name, layer in self.layers.items():
            there = present[name][:, None]
            known = torch.where(there, features[name].pooled, 0.0)  # type: ignore[arg-type]
            found.append(torch.where(there, layer(known), 0.0))
        return torch.stack(found)


class ProjectedTokens(nn.Module):
    """``U_k = W_k LN(X_k) + e_k``, ``e_k`` learned: which input a token is of.

    Args:
        inputs: name -> the backbone's ``dims``.
        dim: width of each token.
    """

    def __init__(self, inputs: Mapping[str, Dims], dim: int) -> None:
        super().__init__()
        names = sorted(inputs)
        self.layers = nn.ModuleDict(
            {name: _normed(width_of(inputs, name, "tokens"), dim) for name in names}
        )
        self.of = nn.ParameterDict({name: nn.Parameter(0.02 * torch.randn(dim)) for name in names})

    @property
    def names(self) -> list[str]:
        """The inputs, sorted."""
        return list(self.layers)

    def forward(
        self, features: Mapping[str, Features], present: Mapping[str, Tensor]
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Name -> tokens [B, T, dim], and bool [B, T], which of them are there."""
        found = {}
        for name, layer in self.layers.items():
            tokens, mask = features[name].tokens, features[name].mask
            assert tokens is not None
            there = present[name][:, None].expand(tokens.shape[:2])
            there = there if mask is None else there & mask
            known = torch.where(there[:, :, None], tokens, 0.0)
            found[name] = (layer(known) + self.of[name], there)
        return found


class OwnAnswers(nn.Module):
    """An answer from each input alone, whose loss keeps a strong input from starving a weak one.

    Args:
        names: inputs, sorted.
        dim: width of each input's vector.
        output_dim: width of the answer.
        weight: of their loss; 0: there are none, for nobody would train them.
    """

    def __init__(self, names: list[str], dim: int, output_dim: int, weight: float) -> None:
        super().__init__()
        trained = names if weight > 0 else []
        self.layers = nn.ModuleDict({name: nn.Linear(dim, output_dim) for name in trained})

    def forward(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``vectors[name]`` [B, dim] -> logits [B, output_dim] by name."""
        return {name: layer(vectors[name]) for name, layer in self.layers.items()}


def there_of(names: list[str], present: Mapping[str, Tensor]) -> Tensor:
    """bool [K, B]."""
    return torch.stack([present[name] for name in names])


def classes_of(batch: Batch, plugin: str, why: str) -> Tensor:
    """int64 [B].

    Args:
        batch: rows with their targets.
        plugin: the fusion that asks.
        why: what it needs classes for.

    Raises:
        RecipeError: the task has none.
    """
    if "class" not in batch.targets:
        raise RecipeError(
            f"{plugin} {why}, and this task has none",
            plugin=plugin,
            value=sorted(batch.targets),
            remedy="choose another fusion",
        )
    classes: Tensor = batch.targets["class"]
    return classes


def softmax_over_present(scores: Tensor, there: Tensor, dim: int = 0) -> Tensor:
    """Shares over what is there; zeros where nothing is."""
    shares = scores.float().masked_fill(~there, -1e4).softmax(dim=dim)
    return torch.where(there, shares, 0.0).to(scores.dtype)


def masked_mean(tokens: Tensor, there: Tensor) -> Tensor:
    """Mean [B, D] over the tokens [B, T, D] that are there; zeros where none is."""
    total = torch.where(there[:, :, None], tokens, 0.0).sum(dim=1)
    return total / there.sum(dim=1, keepdim=True).clamp_min(1)


def mlp(width: int, hidden: int, dropout: float) -> nn.Sequential:
    """``Drop(GELU(W LN(x)))``."""
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout)
    )


def width_of(inputs: Mapping[str, Any], name: str, feature: str) -> int:
    """Width of a feature of an input.

    Raises:
        RecipeError: its backbone does not give it.
    """
    if feature not in inputs[name]:
        raise RecipeError(
            f"the backbone {name!r} gives no {feature} features, which this fusion needs",
            value=name,
            remedy=f"choose a backbone that provides {feature!r}, or another fusion",
        )
    return int(inputs[name][feature])


def _normed(width: int, dim: int) -> nn.Sequential:
    """Backbones differ in scale by orders of magnitude: a new layer would learn little from the
    small ones beside the large.
    """
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, dim))
