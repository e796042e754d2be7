"""Tables as mm's default network reads them: an MLP over periodic embeddings (arXiv 2203.05556).

``tabular.py`` has a simpler network that scores are compared with; seconds are compared with the
same arithmetic on both sides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn.preprocessing import OrdinalEncoder, QuantileTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.sets import BenchmarkSet

DIM = 24
FREQUENCIES = 48
SCALE = 0.05
WIDTH = 256
HIDDEN = 0.01
"""Share of cells hidden in training."""


class PeriodicTable:
    """Numbers mapped to a normal distribution; categories as codes, 0 missing, 1 unseen."""

    rate = None
    width = WIDTH

    def __init__(self, one: BenchmarkSet, train: pd.DataFrame) -> None:
        self.numbers, self.categories = list(one.numbers), list(one.categories)
        self.scale = QuantileTransformer(
            output_distribution="normal", n_quantiles=min(1000, len(train)), random_state=0
        ).fit(train[self.numbers])
        self.encode = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
        ).fit(train[self.categories])
        sizes = [len(known) + 2 for known in self.encode.categories_]
        self.encoder = PeriodicMLP(len(self.numbers), sizes)

    def rows(self, frame: pd.DataFrame, augment: bool) -> _Table:
        """Both kinds of columns as arrays."""
        numbers = torch.from_numpy(self.scale.transform(frame[self.numbers]).astype(np.float32))
        codes = torch.from_numpy(self.encode.transform(frame[self.categories]).astype(np.int64))
        return _Table(numbers.nan_to_num(0.0), numbers.isnan(), codes + 2, augment)


@dataclass(frozen=True)
class _Table:
    """float32 [N, n], bool [N, n], int64 [N, m]."""

    numbers: Tensor
    missing: Tensor
    codes: Tensor
    augment: bool
    lengths: None = None

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The three arrays of the rows; in training some cells are hidden."""
        numbers, missing, codes = self.numbers[rows], self.missing[rows], self.codes[rows]
        if self.augment:
            missing = missing | (torch.rand(missing.shape) < HIDDEN)
            codes = codes.masked_fill(torch.rand(codes.shape) < HIDDEN, 1)
        return numbers, missing, codes


class PeriodicMLP(nn.Module):
    """Numbers [B, n], missing [B, n], codes [B, m] -> [B, 256]."""

    offsets: Tensor

    def __init__(self, n_numbers: int, sizes: list[int]) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.randn(n_numbers, FREQUENCIES) * SCALE)
        self.weight = nn.Parameter(_uniform(n_numbers, 2 * FREQUENCIES, DIM))
        self.bias = nn.Parameter(_uniform(n_numbers, 1, DIM))
        self.absent = nn.Parameter(_uniform(n_numbers, DIM))
        self.table = nn.Embedding(sum(sizes), DIM)
        self.register_buffer("offsets", torch.tensor([0, *sizes[:-1]]).cumsum(0)[: len(sizes)])
        self.layers = nn.Sequential(
            nn.Linear((n_numbers + len(sizes)) * DIM, WIDTH),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(WIDTH, WIDTH),
            nn.ReLU(),
            nn.Dropout(0.1),
        )

    def forward(self, inputs: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        numbers, missing, codes = inputs
        angles = 2 * math.pi * self.frequency * numbers.unsqueeze(-1)
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1).transpose(0, 1)
        mapped = F.relu(torch.baddbmm(self.bias, waves, self.weight)).transpose(0, 1)
        read = torch.where(missing.unsqueeze(-1), self.absent, mapped).flatten(1)
        named = self.table(codes + self.offsets).flatten(1)
        vectors: Tensor = self.layers(torch.cat([read, named], dim=1))
        return vectors


def _uniform(*shape: int) -> Tensor:
    bound = 1 / math.sqrt(shape[-1])
    return torch.empty(*shape).uniform_(-bound, bound)
