"""From the three arrays of a table to vectors, one for each feature. Needs torch.

Each module takes the scaled numbers ``[B, n]`` with ``missing`` bool ``[B, n]``, or the codes
``[B, m]``, and gives ``[B, n or m, dim]``. What stands in a missing cell changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mm_core.api import RecipeError
from mm_core.api.nn import BackboneContext
from mm_tabular.columns import FIRST, UNSEEN


@dataclass(frozen=True)
class TableInput:
    """The one table that a backbone reads.

    Attributes:
        name: of the input.
        n_numerical: number of numerical features.
        counts: for each categorical feature, the training rows of each known category.
    """

    name: str
    n_numerical: int
    counts: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, context: BackboneContext, plugin: str) -> TableInput:
        """Read it from the context.

        Raises:
            RecipeError: several inputs, or an input that is no table.
        """
        if len(context.inputs) != 1:
            raise RecipeError(
                f"{plugin} reads one table, not {len(context.inputs)} inputs",
                plugin=plugin,
                value=sorted(context.inputs),
                remedy="give each table a backbone of its own",
            )
        ((name, info),) = context.inputs.items()
        if "category_counts" not in info:
            raise RecipeError(
                f"{plugin} cannot read the input {name!r}: it is no table",
                plugin=plugin,
                value=name,
                remedy=f"set inputs.{name}.processor=tabular:table",
            )
        counts = tuple(tuple(column) for column in info["category_counts"])
        return cls(name, len(info["numerical_features"]), counts)

    def arrays(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
        """numerical, missing, categorical of a batch."""
        table = inputs[self.name]
        return table["numerical"], table["missing"], table["categorical"]


def symmetric(*shape: int) -> nn.Parameter:
    """Uniform in +-1/sqrt(last dimension), the initialisation of arXiv 2106.11959."""
    bound = 1 / math.sqrt(shape[-1])
    return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))


class ScalarNumbers(nn.Module):
    """The number itself and its missing indicator: dim 2."""

    dim = 2

    def forward(self, numerical: Tensor, missing: Tensor) -> Tensor:
        """[B, n], [B, n] -> [B, n, 2]."""
        values = numerical.masked_fill(missing, 0.0)
        return torch.stack([values, missing.to(values.dtype)], dim=-1)


class LinearNumbers(nn.Module):
    """x * slope + bias, each feature with its own; a learned vector where missing.

    As in the tokenizer of FT-Transformer (arXiv 2106.11959), none of them is decayed.
    """

    def __init__(self, n: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.slope = symmetric(n, dim)
        self.bias = symmetric(n, dim)
        self.absent = symmetric(n, dim)

    def forward(self, numerical: Tensor, missing: Tensor) -> Tensor:
        """[B, n], [B, n] -> [B, n, dim]."""
        values = numerical.masked_fill(missing, 0.0).unsqueeze(-1)
        return torch.where(missing.unsqueeze(-1), self.absent, values * self.slope + self.bias)


class PeriodicNumbers(nn.Module):
    """PLR (arXiv 2203.05556): learned sines and cosines, a linear map of each feature, ReLU.

    ``scale`` is the deviation of the initial frequencies.
    """

    def __init__(self, n: int, dim: int, n_frequencies: int, scale: float) -> None:
        super().__init__()
        self.dim = dim
        self.frequency = nn.Parameter(torch.randn(n, n_frequencies).clamp(-3, 3) * scale)
        self.weight = symmetric(n, dim, 2 * n_frequencies)
        self.bias = symmetric(n, dim)
        self.absent = symmetric(n, dim)

    def forward(self, numerical: Tensor, missing: Tensor) -> Tensor:
        """[B, n], [B, n] -> [B, n, dim]."""
        # Features first, as the product of each feature's waves with its own matrix wants them.
        values = numerical.masked_fill(missing, 0.0).T.unsqueeze(-1)
        angles = values * (2 * math.pi * self.frequency).unsqueeze(1)
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1)
        mapped = torch.baddbmm(self.bias.unsqueeze(1), waves, self.weight.transpose(1, 2))
        return torch.where(missing.unsqueeze(-1), self.absent, mapped.relu().transpose(0, 1))


class Categories(nn.Module):
    """One vector for each code of each category column, in a single table.

    A category met in n training rows is mixed with the column's unseen category, of its own vector
    it gets n / (n + smoothing). Rare categories stay near what is known of unseen ones, instead of
    each memorising its few rows; no category has to be dropped for being rare.

    Args:
        counts: for each column, the training rows of codes 2, 3, ... (0 missing, 1 unseen).
        dim: width of a vector.
        smoothing: see above; 0: none.
    """

    offsets: Tensor
    own_share: Tensor

    def __init__(self, counts: Sequence[Sequence[int]], dim: int, smoothing: float) -> None:
        super().__init__()
        self.dim = dim
        sizes = torch.tensor([FIRST + len(column) for column in counts])
        self.table = nn.Embedding(int(sizes.sum()), dim)
        nn.init.uniform_(self.table.weight, -1 / math.sqrt(dim), 1 / math.sqrt(dim))
        shares = [[1.0, 1.0, *(n / (n + smoothing) if n else 0.0 for n in c)] for c in counts]
        flat = torch.tensor([share for column in shares for share in column])
        self.register_buffer("offsets", sizes.cumsum(0) - sizes, persistent=False)
        self.register_buffer("own_share", flat[:, None], persistent=False)

    def forward(self, categorical: Tensor) -> Tensor:
        """[B, m] -> [B, m, dim]."""
        codes = categorical + self.offsets
        own, unseen = self.table(codes), self.table(self.offsets + UNSEEN)
        return torch.lerp(unseen.expand_as(own), own, self.own_share[codes])


def number_embedding(config: Any, n: int) -> ScalarNumbers | LinearNumbers | PeriodicNumbers:
    """The embedding of ``n`` numbers that ``config.numbers`` names."""
    if config.numbers == "scalar":
        return ScalarNumbers()
    if config.numbers == "linear":
        return LinearNumbers(n, config.embedding_dim)
    return PeriodicNumbers(n, config.embedding_dim, config.n_frequencies, config.frequency_scale)
