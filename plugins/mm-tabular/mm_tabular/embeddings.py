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
        """numerical, missing, categorical of a batch.

        Raises:
            ValueError: arrays of other widths than the columns. The question itself says to who
                follows the network (``torch.export``) that these axes are fixed: one column alone
                is broadcast like any number of columns.
        """
        table = inputs[self.name]
        found = table["numerical"], table["missing"], table["categorical"]
        wanted = self.n_numerical, self.n_numerical, len(self.counts)
        for array, width in zip(found, wanted, strict=True):
            if array.shape[1] != width:
                raise ValueError(f"the table has {array.shape[1]} columns in place of {width}")
        return found


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


class DensePeriodicNumbers(nn.Module):
    """PBLD of RealMLP (arXiv 2407.04491): the number itself beside a linear map of its cosines.

    ``cos(2 pi f x + b)`` with frequencies of deviation ``scale`` and phases of the whole circle.
    """

    def __init__(self, n: int, dim: int, n_frequencies: int, scale: float) -> None:
        super().__init__()
        self.dim = dim
        self.frequency = nn.Parameter(torch.randn(n, n_frequencies) * scale)
        self.phase = nn.Parameter(torch.empty(n, n_frequencies).uniform_(-math.pi, math.pi))
        self.weight = symmetric(n, dim - 1, n_frequencies) if dim > 1 else None
        self.bias = symmetric(n, dim - 1) if dim > 1 else None
        self.absent = symmetric(n, dim)

    def forward(self, numerical: Tensor, missing: Tensor) -> Tensor:
        """[B, n], [B, n] -> [B, n, dim]."""
        values = numerical.masked_fill(missing, 0.0).T.unsqueeze(-1)
        found = values
        if self.weight is not None and self.bias is not None:
            angles = values * (2 * math.pi * self.frequency).unsqueeze(1) + self.phase.unsqueeze(1)
            mapped = torch.baddbmm(
                self.bias.unsqueeze(1), angles.cos(), self.weight.transpose(1, 2)
            )
            found = torch.cat([values, mapped], dim=-1)
        return torch.where(missing.unsqueeze(-1), self.absent, found.transpose(0, 1))


class PiecewiseNumbers(nn.Module):
    """Piecewise linear (PLE, arXiv 2203.05556, in the form of TabM): no activation.

    Bins are as likely under the normal distribution, to which the table's ``quantile`` scaling maps
    numbers: they are the quantiles of the training rows. The map begins as a linear one, what the
    bins add begins as nothing.

    Args:
        n: numbers.
        dim: width of a number's vector.
        n_bins: for each number.
    """

    low: Tensor
    width: Tensor

    def __init__(self, n: int, dim: int, n_bins: int) -> None:
        super().__init__()
        self.dim = dim
        self.linear = LinearNumbers(n, dim)
        self.weight = nn.Parameter(torch.zeros(n, dim, n_bins))
        shares = torch.arange(n_bins + 1) / n_bins
        shares[0], shares[-1] = 1 / (4 * n_bins), 1 - 1 / (4 * n_bins)
        edges = torch.special.ndtri(shares)
        self.register_buffer("low", edges[:-1].clone(), persistent=False)
        self.register_buffer("width", edges.diff(), persistent=False)

    def forward(self, numerical: Tensor, missing: Tensor) -> Tensor:
        """[B, n], [B, n] -> [B, n, dim]."""
        values = numerical.masked_fill(missing, 0.0).T.unsqueeze(-1)
        share = (values - self.low) / self.width
        # The outermost bins go on: a number beyond all others is none of the last bin's end.
        floor = torch.zeros_like(self.low)
        ceiling = torch.ones_like(self.low)
        floor[0], ceiling[-1] = -math.inf, math.inf
        share = torch.minimum(torch.maximum(share, floor), ceiling)
        bent = torch.bmm(share, self.weight.transpose(1, 2)).transpose(0, 1)
        return self.linear(numerical, missing) + bent.masked_fill(missing.unsqueeze(-1), 0.0)


NumberEmbedding = (
    ScalarNumbers | LinearNumbers | PeriodicNumbers | DensePeriodicNumbers | PiecewiseNumbers
)


def number_embedding(config: Any, n: int) -> NumberEmbedding:
    """The embedding of ``n`` numbers that ``config.numbers`` names."""
    dim = config.embedding_dim
    if config.numbers == "scalar":
        return ScalarNumbers()
    if config.numbers == "linear":
        return LinearNumbers(n, dim)
    if config.numbers == "piecewise":
        return PiecewiseNumbers(n, dim, config.n_bins)
    kind = DensePeriodicNumbers if config.numbers == "dense_periodic" else PeriodicNumbers
    return kind(n, dim, config.n_frequencies, config.frequency_scale)


class JoinedEmbedding(nn.Module):
    """All features of a row as one vector [B, dim], numbers first.

    Args:
        config: ``numbers``, ``embedding_dim``, ``category_smoothing``, and what the embedding of
            numbers reads.
        table: what is embedded.

    Attributes:
        widths: of each feature.
        dim: their sum.
    """

    def __init__(self, config: Any, table: TableInput) -> None:
        super().__init__()
        n, counts = table.n_numerical, table.counts
        self.numbers = number_embedding(config, n) if n else None
        self.categories = (
            Categories(counts, config.embedding_dim, config.category_smoothing) if counts else None
        )
        self.widths = [
            module.dim
            for count, module in ((n, self.numbers), (len(counts), self.categories))
            if module is not None
            for _ in range(count)
        ]
        self.dim = sum(self.widths)

    def forward(self, numerical: Tensor, missing: Tensor, categorical: Tensor) -> Tensor:
        """[B, n], [B, n], [B, m] -> [B, dim]."""
        parts = []
        if self.numbers is not None:
            parts.append(self.numbers(numerical, missing).flatten(1))
        if self.categories is not None:
            parts.append(self.categories(categorical).flatten(1))
        return torch.cat(parts, dim=1)
